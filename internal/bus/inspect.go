package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// inspectDial bounds the connecting, with all addresses together as far as each can have a second, inspectAsk each
	// question: a server that hangs, or that does not let this user ask, answers nothing.
	inspectDial = 4 * time.Second
	inspectAsk  = 2 * time.Second
)

// ErrDenied says that the user may not ask this of the server.
var ErrDenied = errors.New("this user of NATS may not ask")

// Inspection is what a client can see of a server.
type Inspection struct {
	Version, Cluster string
	MaxPayload       int64
	// AsksWho says that the server asks for a user.
	AsksWho bool
	RTT     time.Duration
	// Streams are those that there are to be, by name.
	Streams map[string]StreamInspection
	// Account are the limits of the account; AccountErr says why they are not known.
	Account    AccountInspection
	AccountErr error
}

// StreamInspection is what is seen of a stream. Err is ErrNoStream, ErrDenied or another reason why nothing is.
type StreamInspection struct {
	Err                       error
	Misshapen                 bool
	Bytes, MaxBytes, Messages int64
	Replicas                  int
	// Behind are the servers of its copies that are away or do not have all of it.
	Behind []string
}

// AccountInspection are the limits of an account in bytes, -1 for none, and what its streams may take together.
type AccountInspection struct {
	MaxStore, MaxMemory, ReservedStore, ReservedMemory int64
}

// inspector is a connection that is given up soon.
type inspector struct {
	nc *nats.Conn
	js jetstream.JetStream

	mu     sync.Mutex
	denied []string
	// asking ends what waits for an answer on a subject.
	asking map[string]context.CancelFunc
}

func openInspector(o Options) (*inspector, error) {
	i := &inspector{asking: map[string]context.CancelFunc{}}
	opts := []nats.Option{
		nats.Name(o.Name), nats.Timeout(dialTime(o.URL)), nats.NoReconnect(), nats.ErrorHandler(i.note),
	}
	if o.CredentialsFile != "" {
		opts = append(opts, nats.UserCredentials(o.CredentialsFile))
	}
	var err error
	if i.nc, err = nats.Connect(o.URL, opts...); err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", err)
	}
	return i, nil
}

// dialTime bounds the connecting to each of the addresses.
func dialTime(addresses string) time.Duration {
	return max(inspectDial/time.Duration(1+strings.Count(addresses, ",")), time.Second)
}

// Inspect looks at a server and at the streams that the options ask for, and changes nothing. The error says why there is no
// connection, or no JetStream.
func Inspect(ctx context.Context, o Options) (Inspection, error) {
	if err := o.setDefaults(); err != nil {
		return Inspection{}, err
	}
	i, err := openInspector(o)
	if err != nil {
		return Inspection{}, err
	}
	defer i.nc.Close()
	if i.js, err = jetstream.New(i.nc, jetstream.WithDefaultTimeout(inspectAsk)); err != nil {
		return Inspection{}, fmt.Errorf("opening JetStream: %w", err)
	}
	rtt, err := i.nc.RTT()
	if err != nil {
		return Inspection{}, fmt.Errorf("asking NATS for a sign of life: %w", err)
	}
	seen := Inspection{
		Version: i.nc.ConnectedServerVersion(), Cluster: i.nc.ConnectedClusterName(), MaxPayload: i.nc.MaxPayload(),
		AsksWho: i.nc.AuthRequired(), RTT: rtt,
	}
	i.ask(ctx, &Bus{opts: o}, &seen)
	return seen, nil
}

// ask asks for everything side by side, since what this user may not ask is answered by nobody.
func (i *inspector) ask(ctx context.Context, b *Bus, seen *Inspection) {
	ctx, cancel := context.WithTimeout(ctx, inspectAsk)
	defer cancel()
	shapes := b.streams()
	streams := make([]StreamInspection, len(shapes))
	var asking sync.WaitGroup
	for n, shape := range shapes {
		asking.Go(func() { streams[n] = i.stream(ctx, b, shape.Name) })
	}
	asking.Go(func() { seen.Account, seen.AccountErr = i.account(ctx) })
	asking.Wait()
	seen.Streams = map[string]StreamInspection{}
	for n, shape := range shapes {
		seen.Streams[shape.Name] = streams[n]
	}
}

func (i *inspector) stream(ctx context.Context, b *Bus, name string) StreamInspection {
	subject := "$JS.API.STREAM.INFO." + name
	ctx, done := i.waiting(ctx, subject)
	defer done()
	stream, err := i.js.Stream(ctx, name)
	if err != nil {
		return StreamInspection{Err: i.why(subject, streamError(ctx, err))}
	}
	info := stream.CachedInfo()
	out := StreamInspection{
		Misshapen: b.misshapen(info.Config), Bytes: int64(info.State.Bytes), MaxBytes: info.Config.MaxBytes,
		Messages: int64(info.State.Msgs), Replicas: info.Config.Replicas,
	}
	if info.Cluster != nil {
		for _, r := range info.Cluster.Replicas {
			if r.Offline || !r.Current {
				out.Behind = append(out.Behind, r.Name)
			}
		}
	}
	return out
}

func (i *inspector) account(ctx context.Context) (AccountInspection, error) {
	const subject = "$JS.API.INFO"
	ctx, done := i.waiting(ctx, subject)
	defer done()
	info, err := i.js.AccountInfo(ctx)
	if err != nil {
		return AccountInspection{}, i.why(subject, because(ctx, err))
	}
	return AccountInspection{
		MaxStore: info.Limits.MaxStore, MaxMemory: info.Limits.MaxMemory,
		ReservedStore: int64(info.ReservedStore), ReservedMemory: int64(info.ReservedMemory),
	}, nil
}

// waiting bounds a question by the server's refusal of its subject, which answers nothing to the request itself.
func (i *inspector) waiting(ctx context.Context, subject string) (bounded context.Context, done func()) {
	bounded, cancel := context.WithCancel(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asking[subject] = cancel
	return bounded, cancel
}

// note hears of what the server refuses.
func (i *inspector) note(_ *nats.Conn, _ *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.denied = append(i.denied, err.Error())
	for subject, cancel := range i.asking {
		if i.isDenied(subject) {
			cancel()
		}
	}
}

// isDenied is called with the mutex held. The server names the subject between quotes.
func (i *inspector) isDenied(subject string) bool {
	return slices.ContainsFunc(i.denied, func(d string) bool { return strings.Contains(d, `"`+subject+`"`) })
}

// why is ErrDenied where the server refused the subject.
func (i *inspector) why(subject string, err error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.isDenied(subject) {
		return ErrDenied
	}
	return err
}

// DoorInspection is what became of a login that nobody knows.
type DoorInspection struct {
	// LetIn says that the server let it in.
	LetIn bool
	// Asked says that the server was seen to ask a gateway, and Issuer is the public key that it trusts the answer of. They
	// are only known where CanSee is true: this user may listen to those questions.
	CanSee, Asked bool
	Issuer        string
	// Took is how long the refusal took. The server waits three seconds for an answer.
	Took time.Duration
}

// InspectDoor tries a login as a job board that is not there, and watches whether a gateway is asked about it. The error
// says that the server was not reached.
func InspectDoor(ctx context.Context, o Options, user string) (DoorInspection, error) {
	i, err := openInspector(o)
	if err != nil {
		return DoorInspection{}, err
	}
	defer i.nc.Close()
	issuers := make(chan string, 1)
	_, err = i.nc.Subscribe(loginSubject, func(m *nats.Msg) {
		// Others may log in meanwhile: of their questions nothing is looked at but that they are not this one.
		request, err := jwt.DecodeAuthorizationRequestClaims(string(m.Data))
		if err == nil && request.ConnectOptions.Username == user {
			select {
			case issuers <- request.Subject:
			default:
			}
		}
	})
	if err != nil {
		return DoorInspection{}, fmt.Errorf("listening to logins: %w", err)
	}
	if err := i.nc.FlushTimeout(inspectAsk); err != nil {
		return DoorInspection{}, fmt.Errorf("listening to logins: %w", err)
	}
	var seen DoorInspection
	// The addresses without their users, so that those of the command itself are not tried.
	began := time.Now()
	stranger, err := nats.Connect(withoutUsers(o.URL), nats.Name(o.Name), nats.Timeout(dialTime(o.URL)), nats.NoReconnect(),
		nats.UserInfo(user, "no password"))
	seen.Took = time.Since(began)
	if err == nil {
		stranger.Close()
		seen.LetIn = true
		return seen, nil
	}
	// By now the server's refusal to let this user listen has been heard of, as a rule; the question, which came before the
	// refusal of the login, may be on its way still.
	patience := inspectAsk
	if i.why(loginSubject, nil) != nil {
		patience = 0
	}
	select {
	case seen.Issuer = <-issuers:
		seen.Asked = true
	case <-time.After(patience):
	case <-ctx.Done():
	}
	seen.CanSee = seen.Asked || i.why(loginSubject, nil) == nil
	return seen, nil
}

// withoutUsers takes users and passwords from addresses.
func withoutUsers(addresses string) string {
	all := strings.Split(addresses, ",")
	for n, address := range all {
		scheme, rest, ok := strings.Cut(strings.TrimSpace(address), "://")
		if !ok {
			continue
		}
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			rest = rest[at+1:]
		}
		all[n] = scheme + "://" + rest
	}
	return strings.Join(all, ",")
}
