package main

import "context"

// audited does an act of a command that works on the database directly.
func audited(
	ctx context.Context, act func(ctx context.Context) (detail map[string]any, err error),
) error {
	_, err := act(ctx)
	return err
}
