package main

import "time"

// instant is monotonic nanoseconds since the library was loaded, never 0, so that 0 can mean "never".
type instant int64

var loaded = time.Now()

func now() instant { return instant(time.Since(loaded)) + 1 }

func (a instant) since(b instant) time.Duration { return time.Duration(a - b) }

func milliseconds(d time.Duration) int64 { return d.Milliseconds() }
