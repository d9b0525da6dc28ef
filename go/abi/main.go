// Package main is the boundary: the C functions of s3engine.h over package engine. It owns handles, JSON and the copying of
// errors; it refuses to know S3, and starts nothing that runs at the same time as anything else: the race detector cannot ride
// inside Python, so whatever is concurrent lives in engine, where it can.
package main

// version is the distribution's; build.py sets it.
var version = "unknown"

func main() {}
