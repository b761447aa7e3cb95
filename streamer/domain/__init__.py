"""The words of the business and their arithmetic: no I/O, no clock, standard library only."""
