package checkpoint

import (
	"context"

	"github.com/ldm-go/ldm/tensor"
)

// until is a reader that stops.
type until struct {
	Reader
	ctx context.Context
}

// Until reads as r does until the context is done: from then on its error is
// that of every tensor.
func Until(ctx context.Context, r Reader) Reader { return until{r, ctx} }

func (u until) Read(name string) (*tensor.Tensor, error) {
	if err := u.ctx.Err(); err != nil {
		return nil, err
	}
	return u.Reader.Read(name)
}

func (u until) View(name string) (*tensor.Tensor, error) {
	if err := u.ctx.Err(); err != nil {
		return nil, err
	}
	return u.Reader.View(name)
}
