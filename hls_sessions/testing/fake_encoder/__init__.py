"""The process behind the fake ffmpeg: whole segments of grey pictures and silence, for the command line of a real run.

It has a few milliseconds to start. So these modules import each other and what is built into the interpreter, and
nothing else: not even the package that they are in, whose parent folder is on the path when they run.
"""
