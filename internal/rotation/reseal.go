package rotation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// passes is how often everything is gone through for rows that were changed or locked meanwhile.
const passes = 5

// Report is what a rotation did and what it left.
type Report struct {
	// Keys are those of the keyset file.
	Keys seal.Keys
	// Resealed is how many were sealed anew, by place.
	Resealed map[mirror.SealedPlace]int
	// Sealed is how many are sealed with the present key, Older how many open with an older one and are still to be done.
	Sealed, Older int
	// Damaged do not open with any key: they are left as they are.
	Damaged []Damaged
	// Finished says that nothing is sealed with older keys any more, as far as it opens.
	Finished bool
	// Retired are the keys that were removed from the file.
	Retired []seal.KeyID
}

// Damaged is something sealed that does not open.
type Damaged struct {
	Place mirror.SealedPlace `json:"place"`
	// Of is the connection, or the endpoint.
	Of string `json:"of"`
	// What it is: the kind of secret, or of record with its id.
	What string `json:"what"`
	// Key is the id of the key that sealed it by what it says itself, 0 if it says nothing.
	Key seal.KeyID `json:"key"`
}

// Advice says what can be done. A secret that is rotated is accepted beside the new one for a while, and must open; hence
// twice.
func (d Damaged) Advice() string {
	times := ""
	if !strings.Contains(d.What, "previous") {
		times = ", twice"
	}
	switch d.Place {
	case mirror.SealedEndpoints:
		return "rotate the endpoint's secret: POST /v1/endpoints/" + d.Of + "/rotate" + times
	case mirror.SealedRecords:
		return "take the module away from the connection and add it again: the record is read from Ashby anew"
	case mirror.SealedSecrets:
	}
	if d.What == seal.KindAPIKey {
		return "enter the connection's API key again: `ashbridge connections rotate-key " + d.Of + "`"
	}
	return "give the connection another webhook secret: PATCH /v1/connections/" + d.Of + " with rotate_webhook_secret" + times
}

// Advice says what can be done about something damaged. What a key sealed that the file lacks may open with another file.
func (a Report) Advice(d Damaged) string {
	if d.Key == 0 || a.Keys.Has(d.Key) {
		return d.Advice()
	}
	return "the keyset file lacks this key: copy the present file here or put the key back; if no copy has it, " + d.Advice()
}

func (r *Rotator) report() Report {
	return Report{Keys: r.o.Keys.Keys(), Resealed: map[mirror.SealedPlace]int{}}
}

// take adds a later report.
func (a *Report) take(later Report) {
	for place, n := range later.Resealed {
		a.Resealed[place] += n
	}
	a.Keys, a.Sealed, a.Older, a.Damaged = later.Keys, later.Sealed, later.Older, later.Damaged
}

// reseal goes through everything, again where it left something, until nothing is left that is sealed with an older key.
func (r *Rotator) reseal(ctx context.Context, key seal.KeyID) (Report, error) {
	sum := r.report()
	for range passes {
		one, err := r.pass(ctx, key, true)
		sum.take(one)
		if err != nil || one.Older == 0 {
			return sum, err
		}
	}
	return sum, nil
}

// pass goes through everything once. Where doing is false, it only counts.
func (r *Rotator) pass(ctx context.Context, key seal.KeyID, doing bool) (Report, error) {
	report := r.report()
	for _, place := range mirror.SealedPlaces() {
		before := report.Sealed
		after := mirror.SealedKey{}
		for {
			if doing {
				if err := r.lead(ctx); err != nil {
					return report, err
				}
			}
			rows, err := r.o.Store.SealedPage(ctx, place, after, key.Prefix(), r.o.Batch)
			if err != nil {
				return report, err
			}
			if len(rows) == 0 {
				break
			}
			after = rows[len(rows)-1].Key
			if err := r.batch(ctx, place, rows, key, &report, doing); err != nil {
				return report, err
			}
		}
		if doing && report.Resealed[place] > 0 {
			r.say("%s: %d sealed anew, %d had been before", place, report.Resealed[place], report.Sealed-before-report.Resealed[place])
		}
	}
	return report, nil
}

// lacksNone finds what is sealed with a key that the file lacks, before a rotation to key, or to a new one if that is 0, puts
// it out of reach for good: the error is ErrKeyMissing. After the key was chosen, the rotation itself finds that.
func (r *Rotator) lacksNone(ctx context.Context, key seal.KeyID) (Report, error) {
	report := r.report()
	keys := report.Keys
	if keys.Sealing == key {
		return report, nil
	}
	for _, place := range mirror.SealedPlaces() {
		after := mirror.SealedKey{}
		for {
			if err := r.lead(ctx); err != nil {
				return report, err
			}
			rows, err := r.o.Store.SealedPage(ctx, place, after, keys.Sealing.Prefix(), r.o.Batch)
			if err != nil {
				return report, err
			}
			if len(rows) == 0 {
				break
			}
			after = rows[len(rows)-1].Key
			for _, row := range rows {
				if with, ok := seal.SealedWith(row.Sealed); ok && !keys.Has(with) {
					of, _ := Bound(place, row.Key)
					report.Damaged = append(report.Damaged, Damaged{Place: place, Of: of, What: what(place, row.Key), Key: with})
				}
			}
		}
	}
	return report, r.lacking(report.Damaged)
}

// lacking is ErrKeyMissing where something damaged is sealed with a key that the file lacks.
func (r *Rotator) lacking(damaged []Damaged) error {
	keys := r.o.Keys.Keys()
	n := 0
	var first Damaged
	for _, d := range damaged {
		if d.Key == 0 || keys.Has(d.Key) {
			continue
		}
		if n++; n == 1 {
			first = d
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s lacks key %d, which sealed %s of %s, and %d are sealed with keys that it lacks: copy the present file here, "+
		"or put the key back as the runbook AshbridgeSecretUnreadable says; if it is lost, replace all that it sealed: %s",
		ErrKeyMissing, r.o.Keys.Path(), first.Key, first.What, first.Of, n, first.Advice())
}

// batch seals anew what of the rows is sealed with another key.
func (r *Rotator) batch(
	ctx context.Context, place mirror.SealedPlace, rows []mirror.SealedRow, key seal.KeyID, report *Report, doing bool,
) error {
	var old []mirror.SealedRow
	var next []mirror.Sealed
	for _, row := range rows {
		with, _ := seal.SealedWith(row.Sealed)
		switch {
		case len(row.Sealed) == 0:
			continue
		case with == key:
			report.Sealed++
			continue
		}
		of, kind := Bound(place, row.Key)
		plain, err := r.o.Keys.Open(row.Sealed, of, kind)
		if errors.Is(err, seal.ErrRefused) {
			report.Damaged = append(report.Damaged, Damaged{Place: place, Of: of, What: what(place, row.Key), Key: with})
			continue
		}
		if err != nil {
			return fmt.Errorf("opening what is sealed in %s: %w", place, err)
		}
		report.Older++
		if !doing {
			continue
		}
		anew, err := r.o.Keys.Seal(plain, of, kind)
		if err != nil {
			return fmt.Errorf("sealing anew in %s: %w", place, err)
		}
		old, next = append(old, row), append(next, anew)
	}
	if len(old) == 0 {
		return nil
	}
	n, err := r.o.Store.Reseal(ctx, place, old, next)
	if err != nil {
		return err
	}
	report.Resealed[place] += n
	report.Older -= n
	report.Sealed += n
	return nil
}

// Bound is what a row's ciphertext is bound to.
func Bound(place mirror.SealedPlace, key mirror.SealedKey) (of, kind string) {
	switch place {
	case mirror.SealedEndpoints:
		return key[0], seal.KindEndpointSecret
	case mirror.SealedRecords:
		return key[0], mirror.RecordSecret(key[1], key[2])
	case mirror.SealedSecrets:
	}
	// A previous secret is of the kind that it was when it was the present one.
	return key[0], strings.TrimSuffix(key[1], "_previous")
}

func what(place mirror.SealedPlace, key mirror.SealedKey) string {
	if place == mirror.SealedRecords {
		return key[1] + " " + key[2]
	}
	return key[1]
}
