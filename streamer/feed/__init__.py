"""One exchange's sockets, kept alive for ever."""
