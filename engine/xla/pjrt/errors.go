package pjrt

import (
	"fmt"
	"strings"
	"unsafe"
)

// Code is the kind of an error, as in absl::StatusCode.
type Code int32

// The codes that callers tell apart.
const (
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	NotFound           Code = 5
	AlreadyExists      Code = 6
	ResourceExhausted  Code = 8
	FailedPrecondition Code = 9
	Aborted            Code = 10
	Unimplemented      Code = 12
	Internal           Code = 13
	Unavailable        Code = 14
	DataLoss           Code = 15
)

// Error is an error of a plugin.
type Error struct {
	Code    Code
	Message string
}

// longest is how much of a message is shown: compilers print whole programs.
const longest = 600

// Error is the message in one line.
func (e *Error) Error() string {
	s := strings.Join(strings.Fields(e.Message), " ")
	if len(s) > longest {
		s = s[:longest] + " ..."
	}
	return fmt.Sprintf("%s (code %d)", s, e.Code)
}

// take makes an error of a PJRT_Error, and frees it.
func (p *Plugin) take(failure unsafe.Pointer) error {
	message := &struct {
		header
		failure unsafe.Pointer
		text    text
	}{failure: failure}
	message.size = unsafe.Sizeof(*message)
	call(p.slots[errorMessage], unsafe.Pointer(message))
	code := &struct {
		header
		failure unsafe.Pointer
		code    int32
	}{failure: failure}
	code.size = unsafe.Sizeof(*code)
	e := &Error{Code: Internal, Message: message.text.String()}
	if call(p.slots[errorGetCode], unsafe.Pointer(code)) == 0 {
		e.Code = Code(code.code)
	}
	p.destroy(errorDestroy, failure)
	return e
}
