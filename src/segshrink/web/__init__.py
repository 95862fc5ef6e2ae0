"""One HTML file that runs a model in a browser, without a server."""

from segshrink.web.page import write_web_page

__all__ = ["write_web_page"]
