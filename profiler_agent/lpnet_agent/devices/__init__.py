"""Devices that run networks: this machine, or a phone over adb."""
