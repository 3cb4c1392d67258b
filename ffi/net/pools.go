package main

import (
	"fmt"
	"reflect"
	"unsafe"

	"golang.zx2c4.com/wireguard/device"
)

// boundPools puts a bounded pool of message buffers into a device that has not taken a buffer yet.
//
// On Linux the device's pools have no limit (PreallocatedBuffersPerPool is 0), and each of its queues
// may hold 1024 batches of 64 KiB buffers: bursts take gigabytes. On Android and iOS the same code runs
// with a limit, so a device that waits for a free buffer is a state it is made for (but for its start:
// see peerBind.receiving). The limit is a
// constant of the package and the field has no setter, so it is replaced by reflection, checked by
// name and type: with another version of the module this fails loudly instead of being unbounded.
func boundPools(d *device.Device) error {
	field := reflect.ValueOf(d).Elem().FieldByName("pool")
	if field.IsValid() {
		field = field.FieldByName("messageBuffers")
	}
	if !field.IsValid() || field.Type() != reflect.TypeFor[*device.WaitPool]() {
		return fmt.Errorf("this version of the module keeps its buffers elsewhere")
	}
	pool := (**device.WaitPool)(unsafe.Pointer(field.UnsafeAddr()))
	*pool = device.NewWaitPool(deviceBuffersMax, func() any { return new([device.MaxMessageSize]byte) })
	return nil
}
