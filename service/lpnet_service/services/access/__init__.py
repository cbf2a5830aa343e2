"""Who a caller is and what they may do: tokens, browser sessions, ownership of devices."""
