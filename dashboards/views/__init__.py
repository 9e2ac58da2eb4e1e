"""What a map or a pattern looks like at this moment, for every page that shows one."""
