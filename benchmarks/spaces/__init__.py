"""Networks written by others: which become a space, and is what is said of them true."""
