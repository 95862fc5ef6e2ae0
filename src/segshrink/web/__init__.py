"""One HTML file that runs a model in a browser, without a server."""

from segshrink.web.page import PAGE_SUFFIX, write_web_page

__all__ = ["PAGE_SUFFIX", "write_web_page"]
