"""Where networks run: on this machine, or on a phone over adb."""
