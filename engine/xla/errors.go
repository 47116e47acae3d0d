package xla

import (
	"errors"
	"fmt"

	"github.com/ldm-go/ldm/engine/xla/pjrt"
	"github.com/ldm-go/ldm/fault"
)

// failure says in one line what an error of the plugin means for the user.
func (e *Engine) failure(err error) error {
	var p *pjrt.Error
	if !errors.As(err, &p) {
		return err
	}
	switch p.Code {
	case pjrt.ResourceExhausted:
		return fault.Memoryf("%s has not enough memory: %w; make the batch or the pictures smaller", e, err)
	case pjrt.Unavailable, pjrt.DataLoss, pjrt.Aborted:
		return fmt.Errorf("%s was lost: %w; start again, and look at the system's log if it comes back", e, err)
	}
	return fmt.Errorf("%s: %w", e, err)
}
