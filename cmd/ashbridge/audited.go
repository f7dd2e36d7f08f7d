package main

import (
	"context"
	"os"
	"os/user"
	"strconv"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

// audited does an act of a command that works on the database directly, and writes it down as that of the system's user.
func audited(
	ctx context.Context, db *postgres.DB, action string, act func(ctx context.Context) (detail map[string]any, err error),
) error {
	return db.Audit().Command(ctx, mirror.Act{Actor: mirror.Actor{Name: systemUser()}, Action: action}, act)
}

// systemUser is who runs this command.
func systemUser() string {
	if who, err := user.Current(); err == nil {
		return who.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}
