package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// moduleJobs is the module that is polled. It has no state of its own: where the key may not read it, the connection is
// what cannot go on.
const moduleJobs = "jobs"

// moduleOf is the opt-in module of the connection that a kind is read for, empty where it belongs to the jobs.
func moduleOf(res ashby.Resource, modules []string) string {
	if slices.Contains(res.Modules, moduleJobs) {
		return ""
	}
	for _, m := range res.Modules {
		if slices.Contains(modules, m) {
			return m
		}
	}
	return ""
}

// lacksPermission says that the key may not read something, while it is good for others. A refusal that does not say so
// is one of the whole key only if the postings are refused, too.
func (r *run) lacksPermission(ctx context.Context, err error) bool {
	if errors.Is(err, ashby.ErrMissingPermission) {
		return true
	}
	if !errors.Is(err, ashby.ErrUnauthorized) {
		return false
	}
	_, probe := r.client.Postings(ctx)
	return probe == nil
}

// pauseModule notes that the key may not read a module. The others go on, and so does this one as soon as it may.
func (s *slice) pauseModule(ctx context.Context, res ashby.Resource, because error) error {
	module := moduleOf(res, s.connection.Modules)
	if !s.refuse(res.Scope) {
		return nil
	}
	s.d.log.InfoContext(ctx, "kind left out", "kind", res.Kind, "module", module, "error", brief(because))
	if module == "" {
		return nil
	}
	return s.setModule(ctx, mirror.ModuleState{
		Module: module, State: mirror.ModulePaused,
		Reason: fmt.Sprintf("The API key lacks read access to %s. Grant it in Ashby under Admin → Integrations → API Keys; "+
			"the module goes on by itself.", res.UIModule),
	})
}

// resumeModules notes of the modules that the key may read all of them.
func (s *slice) resumeModules(ctx context.Context) (bool, error) {
	for _, module := range s.readable() {
		if s.states[module].State == mirror.ModuleActive {
			continue
		}
		if err := s.setModule(ctx, mirror.ModuleState{Module: module, State: mirror.ModuleActive}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// concludeModules notes, when a round is over, what could not be read of the modules, or that everything of them has been
// read for the first time.
func (s *slice) concludeModules(ctx context.Context) (bool, error) {
	for _, module := range s.readable() {
		was := s.states[module]
		state := mirror.ModuleState{
			Module: module, State: mirror.ModuleActive, Reason: s.wantOf(module), CompleteAt: was.CompleteAt,
		}
		if state.Reason == "" && state.CompleteAt == nil {
			now := time.Now()
			state.CompleteAt = &now
		}
		if state.Reason == was.Reason && state.CompleteAt == was.CompleteAt {
			continue
		}
		if err := s.setModule(ctx, state); err != nil {
			return false, err
		}
	}
	return true, nil
}

// readable are the opt-in modules of which the key was found to lack nothing.
func (s *slice) readable() []string {
	return slices.DeleteFunc(slices.Clone(s.connection.Modules), func(m string) bool { return m == moduleJobs || s.lacksPart(m) })
}

// lacksPart says that a permission which the module needs is missing.
func (s *slice) lacksPart(module string) bool {
	return slices.ContainsFunc(ashby.Catalogue(), func(res ashby.Resource) bool {
		return moduleOf(res, s.connection.Modules) == module && s.isRefused(res.Scope)
	})
}

// setModule stores a module's state; what is complete stays so.
func (s *slice) setModule(ctx context.Context, state mirror.ModuleState) error {
	if state.CompleteAt == nil {
		state.CompleteAt = s.states[state.Module].CompleteAt
	}
	if err := s.d.s.opts.Slices.SetModule(ctx, s.d.mandate(), state); err != nil {
		return fmt.Errorf("setting the state of module %s: %w", state.Module, err)
	}
	s.states[state.Module] = state
	return nil
}
