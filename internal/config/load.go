package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/pflag"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// maxSecretFile bounds what is read from a _FILE variable's file, so that a wrong path cannot fill the memory.
const maxSecretFile = 64 << 10

// fromKubernetes are variables that Kubernetes gives every container for a service whose name begins with ashbridge.
var fromKubernetes = regexp.MustCompile(`^ASHBRIDGE_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_.+)?)$`)

// Faults are all that is wrong with a configuration; the message has one line for each.
type Faults []string

// Error lists the faults.
func (f Faults) Error() string {
	if len(f) == 1 {
		return "configuration: " + f[0]
	}
	return fmt.Sprintf("configuration: %d faults:\n  - %s", len(f), strings.Join(f, "\n  - "))
}

// Environ is the process's environment as Load takes it.
func Environ() map[string]string { return env.ToMap(os.Environ()) }

// RegisterFlags adds a flag for every setting. A token has none, only one for the file that holds it, such as
// --admin-token-file: every user of a machine can read the command lines of its processes.
func RegisterFlags(flags *pflag.FlagSet) { register(flags, settings()) }

func register(flags *pflag.FlagSet, these []setting) {
	for _, s := range these {
		if !s.secret {
			flags.String(s.flag(), "", s.usage())
		}
		if s.file {
			flags.String(s.flag()+"-file", "", "file with the "+strings.ReplaceAll(s.flag(), "-", " "))
		}
		for _, name := range []string{s.flag(), s.flag() + "-file"} {
			if f := flags.Lookup(name); f != nil {
				f.Annotations = map[string][]string{ofSetting: {s.key}}
			}
		}
	}
	// A switch may stand alone on a command line.
	for _, s := range these {
		if s.kind.Kind() == reflect.Bool {
			flags.Lookup(s.flag()).NoOptDefVal = "true"
		}
	}
}

// ofSetting marks the flags that register made: a command may have another one of the same name.
const ofSetting = "ashbridge_setting"

// IsSetting says whether a flag is that of a setting.
func IsSetting(f *pflag.Flag) bool { return f.Annotations[ofSetting] != nil }

// Load reads the variables of environ and the flags that were given, which win over variables; flags may be nil. The
// error is of type Faults and lists everything that is wrong, also what needs asks for and nobody gave.
func Load(environ map[string]string, flags *pflag.FlagSet, needs Needs) (Config, error) {
	return newInput(environ, flags).load(needs)
}

// load parses what was given, and judges it.
func (in *input) load(needs Needs) (Config, error) {
	cfg := in.parse(needs)
	if len(in.faults) > 0 {
		return Config{}, Faults(in.faults)
	}
	return cfg, nil
}

// parse returns what could be read; in has the faults.
func (in *input) parse(needs Needs) Config {
	in.resolveFiles()
	cfg, err := env.ParseAsWithOptions[Config](env.Options{Prefix: Prefix, Environment: in.values})
	in.translate(err)
	cfg.DataDir = cmp.Or(cfg.DataDir, in.defaultDataDir)
	cfg.Warnings = in.exposed
	cfg.judge(in)
	cfg.judgeNeeds(in, needs)
	return cfg
}

// setting is one field of Config.
type setting struct {
	field, key, def, help string
	kind                  reflect.Type
	// secret has no flag of its own; file can be read from a file.
	secret, file bool
}

// settings are the fields of Config.
func settings() []setting {
	var all []setting
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if f.Tag.Get("env") == "" {
			continue // no setting
		}
		secret := f.Type == reflect.TypeFor[ashby.Secret]()
		all = append(all, setting{
			field: f.Name, key: f.Tag.Get("env"), def: f.Tag.Get("envDefault"), help: f.Tag.Get("help"),
			kind: f.Type, secret: secret, file: secret || f.Type == reflect.TypeFor[URL](),
		})
	}
	return all
}

// flag is the setting's name in kebab case.
func (s setting) flag() string { return strings.ToLower(strings.ReplaceAll(s.key, "_", "-")) }

// usage is the flag's help, with the default and the variable.
func (s setting) usage() string {
	if s.def == "" {
		return s.help + " [$" + Prefix + s.key + "]"
	}
	return s.help + " (default " + s.def + ") [$" + Prefix + s.key + "]"
}

// input is what was given, before it is parsed.
type input struct {
	values map[string]string // full names of variables
	names  map[string]string // full name of a variable: what the user called it
	failed map[string]bool   // keys of settings whose value could not be read
	faults []string

	exposed []Exposure

	defaultDataDir string
	// stopped is the folder of an `up` that does not run; empty where there is none, or it runs.
	stopped string
}

// newInput merges variables and flags, and finds variables that nobody knows.
func newInput(environ map[string]string, flags *pflag.FlagSet) *input {
	in := &input{
		values: map[string]string{}, names: map[string]string{}, failed: map[string]bool{},
		defaultDataDir: defaultDataDir(environ, os.Getuid()),
	}
	known := map[string]bool{}
	for _, s := range settings() {
		known[Prefix+s.key] = true
		if s.file {
			known[Prefix+s.key+"_FILE"] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		if !strings.HasPrefix(name, Prefix) || fromKubernetes.MatchString(name) {
			continue
		}
		if !known[name] {
			in.fault("%s is not known%s", name, suggestion(name, known))
		} else if environ[name] != "" {
			in.values[name], in.names[name] = environ[name], name
		}
	}
	if flags == nil {
		return in
	}
	for _, s := range settings() {
		in.applyFlag(flags, s)
	}
	in.lookAtFlags(flags)
	return in
}

// applyFlag lets a setting's flags, if given, replace its variables, both the plain one and the one with the file.
func (in *input) applyFlag(flags *pflag.FlagSet, s setting) {
	given := map[string]string{}
	for suffix, variable := range map[string]string{"": Prefix + s.key, "-file": Prefix + s.key + "_FILE"} {
		if f := flags.Lookup(s.flag() + suffix); f != nil && f.Changed && IsSetting(f) {
			given[variable] = f.Value.String()
			in.names[variable] = "--" + s.flag() + suffix
		}
	}
	if len(given) == 0 {
		return
	}
	delete(in.values, Prefix+s.key)
	delete(in.values, Prefix+s.key+"_FILE")
	maps.Copy(in.values, given)
}

// resolveFiles reads the files that hold settings.
func (in *input) resolveFiles() {
	for _, s := range settings() {
		plain, file := Prefix+s.key, Prefix+s.key+"_FILE"
		path := in.values[file]
		delete(in.values, file)
		switch {
		case !s.file || path == "":
			continue
		case in.values[plain] != "":
			in.fault("%s and %s are both set: remove one of them", in.names[plain], in.names[file])
			in.failed[s.key] = true
			continue
		}
		in.names[plain] = in.names[file]
		value, isOpen, err := readSetting(path)
		if err != nil {
			in.fault("%s: %v", in.names[file], err)
			in.failed[s.key] = true
			continue
		}
		in.values[plain] = value
		if isOpen && holdsSecret(s, value) {
			in.exposeFile(in.names[file], path)
		}
	}
	const creds = Prefix + "NATS_CREDS_FILE"
	if info, err := os.Stat(in.values[creds]); err == nil && isOpenToOthers(info) {
		in.exposeFile(in.names[creds], in.values[creds])
	}
}

// exposeFile notes that others may read a file with a secret.
func (in *input) exposeFile(name, path string) {
	in.exposed = append(in.exposed, Exposure{
		Found: fmt.Sprintf("%s: other users of this machine may read %s, which holds a secret", name, path),
		Do:    "chmod 600 " + path,
	})
}

func isOpenToOthers(info os.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// holdsSecret says whether a setting's value is one that others must not see.
func holdsSecret(s setting, value string) bool {
	if s.key == "DATABASE_URL" { // one address, also where it names several hosts
		value = strings.ReplaceAll(value, ",", "-")
	}
	return s.secret || s.kind == reflect.TypeFor[URL]() && URL(value).String() != value
}

// lookAtFlags notes secrets that were given on the command line.
func (in *input) lookAtFlags(flags *pflag.FlagSet) {
	for _, s := range settings() {
		f := flags.Lookup(s.flag())
		if f != nil && f.Changed && s.file && IsSetting(f) && holdsSecret(s, f.Value.String()) {
			in.exposed = append(in.exposed, Exposure{
				Found: "--" + s.flag() + " has a password in it, and every user of this machine can read command lines",
				Do:    "put it into a file that only you may read, and use --" + s.flag() + "-file or " + Prefix + s.key + "_FILE",
			})
		}
	}
}

// readSetting is a small file's content without the newline that editors put at its end, and whether others than its owner
// may read it.
func readSetting(path string) (value string, isOpen bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecretFile {
		return "", false, fmt.Errorf("%s is not a file of at most %d bytes", path, maxSecretFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", false, err
	}
	value = strings.TrimRight(string(data), "\r\n")
	if value == "" {
		return "", false, fmt.Errorf("%s is empty", path)
	}
	return value, isOpenToOthers(info), nil
}

// fault notes something that is wrong.
func (in *input) fault(format string, args ...any) {
	in.faults = append(in.faults, fmt.Sprintf(format, args...))
}

// judge notes what is wrong with a setting, unless its value could not be read, which has been noted.
func (in *input) judge(key, fault string) {
	if fault != "" && !in.failed[key] {
		in.fault("%s %s", in.name(key), fault)
	}
}

// name is what the user called a setting, or its variable.
func (in *input) name(key string) string {
	if name := in.names[Prefix+key]; name != "" {
		return name
	}
	return Prefix + key
}

// translate turns the parser's errors into sentences that name the variable or flag.
func (in *input) translate(err error) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		if err != nil {
			in.fault("%v", err)
		}
		return
	}
	for _, one := range all.Errors {
		var parse env.ParseError
		if !errors.As(one, &parse) {
			in.fault("%v", one)
			continue
		}
		for _, s := range settings() {
			if s.field == parse.Name {
				in.fault("%s is %q: set it to %s", in.name(s.key), in.values[Prefix+s.key], s.shape())
				in.failed[s.key] = true
			}
		}
	}
}

// shape says what a value looks like.
func (s setting) shape() string {
	switch s.kind {
	case reflect.TypeFor[time.Duration]():
		return "a time such as " + s.def
	case reflect.TypeFor[bool]():
		return "true or false"
	case reflect.TypeFor[int]():
		return "a whole number such as " + s.def
	default:
		return s.help
	}
}

// defaultDataDir is where data lies when nobody says: where the system keeps the data of services for root, whose
// managed Postgres runs as another user that may not enter /root, and the user's own folder for anyone else.
func defaultDataDir(environ map[string]string, uid int) string {
	if uid == 0 {
		return "/var/lib/ashbridge"
	}
	if dir := environ["XDG_DATA_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "ashbridge")
	}
	if home := environ["HOME"]; filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "ashbridge")
	}
	return ""
}
