package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/rotation"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// rotateOptions are the flags of keys rotate.
type rotateOptions struct {
	isRetire, isDry, inPlace, asJSON bool
	wait                             time.Duration
}

func newKeysRotate() *cobra.Command {
	var o rotateOptions
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Seal everything with a new key while all services run, or remove the old keys",
		Long: "Add a new key to the keyset file and seal everything in the database anew with it, while all services run. A call that\n" +
			"was broken off is taken up by the next one. Old keys stay in the file, for opening, until --retire removes them.\n\n" +
			"Services take a changed file within seconds. Where they have copies of it, on other hosts, the command says which ones it\n" +
			"waits for: copy the file to them and call again, until nothing is waited for. Containers that have the file mounted by\n" +
			"itself, not its folder, as Compose does with secrets, see a change that is written --in-place. Services of a version before\n" +
			"this command are not known to it: upgrade them first.\n\n" +
			"A backup of the database from before needs the keyset file from before: keep that with it. Beside `ashbridge up`, with\n" +
			"--demo or without, no setting is needed but the --data-dir that it was given.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := runKeysRotate(cmd, o)
			if err != nil && cmd.Context().Err() != nil {
				return fmt.Errorf("%w: nothing is lost, call it again to go on", errInterrupted)
			}
			return err
		},
	}
	config.RegisterFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.isRetire, "retire", false, "begin no rotation: remove the old keys, a minute after its end, if nothing is sealed with them any more")
	cmd.Flags().BoolVar(&o.isDry, "dry-run", false, "say what is sealed with what, and which process has which keys; change nothing")
	cmd.Flags().BoolVar(&o.inPlace, "in-place", false, "write into the keyset file instead of exchanging it, for containers that have it mounted by itself")
	cmd.Flags().DurationVar(&o.wait, "wait", 30*time.Second, "how long to wait for processes that lack the present keyset")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print the result as JSON")
	cmd.MarkFlagsMutuallyExclusive("retire", "dry-run")
	return cmd
}

func runKeysRotate(cmd *cobra.Command, o rotateOptions) (err error) {
	ctx := cmd.Context()
	cfg, log, err := loadQuietly(cmd, config.KeysRotate)
	if err != nil {
		return err
	}
	keys, err := seal.Load(cfg.KeysetFile)
	if err != nil {
		return err
	}
	if o.inPlace {
		keys.WriteInPlace()
	}
	db, err := openTables(ctx, postgres.Options{
		URL: cfg.DatabaseURL.Reveal(), ApplicationName: "ashbridge keys rotate", Logger: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	r, err := rotation.New(rotation.Options{
		Keys: keys, Store: db.Keyset(), Leases: db.Notifier(), Owner: "keys rotate/" + uuid.NewString(), Wait: o.wait,
		Say: func(sentence string) { _, _ = fmt.Fprintln(cmd.ErrOrStderr(), sentence) },
	})
	if err != nil {
		return err
	}
	if o.isDry {
		plan, err := r.Plan(ctx)
		return errors.Join(err, showPlan(cmd.OutOrStdout(), plan, o.asJSON))
	}
	return rotate(cmd, db, r, o)
}

// rotate does what was asked for and writes it down.
func rotate(cmd *cobra.Command, db *postgres.DB, r *rotation.Rotator, o rotateOptions) error {
	action, do := "keyset.rotate", r.Rotate
	if o.isRetire {
		action, do = "keyset.retire", r.Retire
	}
	return audited(cmd.Context(), db, action, func(ctx context.Context) (map[string]any, error) {
		report, err := do(ctx)
		err = errors.Join(whereToWrite(err), showRotation(cmd.OutOrStdout(), report, o))
		return rotationJSON(report), err
	})
}

// whereToWrite adds to an error of writing the keyset file what to do about it: in the container of a service, the file is
// mounted by itself and not to be written.
func whereToWrite(err error) error {
	isCause := errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EBUSY) || errors.Is(err, fs.ErrPermission)
	_, isOfPath := errors.AsType[*fs.PathError](err)
	_, isOfName := errors.AsType[*os.LinkError](err)
	if !isCause || !isOfPath && !isOfName {
		return err
	}
	return fmt.Errorf("%w\nRun it where the file and its folder may be written, with --in-place where others have the file mounted by itself; with "+
		"Compose: docker compose run --rm cli keys rotate --in-place", err)
}

func rotationJSON(r rotation.Report) map[string]any {
	resealed := 0
	for _, n := range r.Resealed {
		resealed += n
	}
	damaged := make([]map[string]any, 0, len(r.Damaged))
	for _, d := range r.Damaged {
		damaged = append(damaged, map[string]any{"place": d.Place, "of": d.Of, "what": d.What, "key": d.Key, "advice": r.Advice(d)})
	}
	return map[string]any{
		"sealing_key": r.Keys.Sealing, "keys": r.Keys.All, "resealed": resealed, "sealed": r.Sealed, "older": r.Older,
		"damaged": damaged, "finished": r.Finished, "retired": append([]seal.KeyID{}, r.Retired...),
	}
}

func showRotation(out io.Writer, r rotation.Report, o rotateOptions) error {
	if o.asJSON {
		return writeJSON(out, rotationJSON(r))
	}
	showDamaged(out, r)
	switch {
	case len(r.Retired) > 0:
		_, err := fmt.Fprintf(out, "removed %d old keys; key %d seals, and %d are sealed with it. Backups of the database from before the "+
			"rotation need the keyset file from before it.\n", len(r.Retired), r.Keys.Sealing, r.Sealed)
		return err
	case r.Finished && o.isRetire:
		_, err := fmt.Fprintf(out, "there is no old key; key %d seals\n", r.Keys.Sealing)
		return err
	case r.Finished:
		_, err := fmt.Fprintf(out, "key %d seals, and %d are sealed with it. Back up the keyset file. `ashbridge keys rotate --retire` removes the "+
			"old keys.\n", r.Keys.Sealing, r.Sealed)
		return err
	}
	return nil
}

func showDamaged(out io.Writer, r rotation.Report) {
	for _, d := range r.Damaged {
		_, _ = fmt.Fprintf(out, "does not open: %s of %s in %s (key %d): %s\n", d.What, d.Of, d.Place, d.Key, r.Advice(d))
	}
}

func showPlan(out io.Writer, p rotation.Plan, asJSON bool) error {
	if asJSON {
		all := rotationJSON(p.Report)
		delete(all, "finished")
		delete(all, "resealed")
		delete(all, "retired")
		all["next"], all["processes"] = p.Next, holdersJSON(p.Holders)
		return writeJSON(out, all)
	}
	_, _ = fmt.Fprintf(out, "key %d seals; the keyset file has %d keys\n", p.Keys.Sealing, len(p.Keys.All))
	for _, h := range p.Holders {
		_, _ = fmt.Fprintf(out, "%s on %s seals with key %d and has %d keys; heard of %s ago %s\n",
			h.Service, h.Host, h.Sealing, len(h.Keys), h.Silent.Round(time.Second), h.Fault)
	}
	showDamaged(out, p.Report)
	_, err := fmt.Fprintf(out, "%d are sealed with the key to be, %d with older ones\nnext: %s\n", p.Sealed, p.Older, p.Next)
	return err
}

func holdersJSON(holders []mirror.KeysetHolder) []map[string]any {
	out := make([]map[string]any, 0, len(holders))
	for _, h := range holders {
		out = append(out, map[string]any{
			"service": h.Service, "host": h.Host, "sealing_key": h.Sealing, "keys": h.Keys, "fault": h.Fault,
			"silent_seconds": h.Silent.Seconds(),
		})
	}
	return out
}

func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
