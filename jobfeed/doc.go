// Package jobfeed is what a job board imports to follow Ashbridge's events: a snapshot of all jobs and then every change,
// in one subscription that outlives restarts and interruptions of NATS, of Ashbridge and of the board.
//
//	feed, err := jobfeed.Open(ctx, jobfeed.Options{URL: url, User: user, Password: password})
//	if err != nil {
//		return err
//	}
//	defer feed.Close()
//	return feed.Subscribe(ctx, func(ctx context.Context, e jobfeed.Event) error {
//		switch e.Type {
//		case events.JobPublished, events.JobUpdated:
//			return board.Store(ctx, e.Key(), e.Version, e.Job.Job)
//		case events.JobClosed:
//			return board.Remove(ctx, e.Key(), e.Version)
//		}
//		return nil
//	})
//
// # What is promised
//
//  1. The handler ends up with the latest state of every job, whatever was interrupted meanwhile, and for how long.
//  2. An event is acknowledged only after the handler returned nil (or [Skip]) and [Positions] stored its version. A crash
//     at any moment repeats what was under way, and skips nothing.
//  3. The events of one job are handed over in the order of their versions, one at a time. Within one Subscribe, versions
//     only rise; a replay that was asked for begins anew. Different jobs are handled side by side.
//  4. A version that Positions know, or that was handled since Subscribe began, is not handed over again, however often
//     NATS delivers it. With a store that outlives the process and is written in the same transaction as the board's own
//     data, each event takes effect exactly once. With any other, exactly those events may come twice whose handling or
//     acknowledgement was under way at a crash.
//  5. A job whose handler fails holds up nobody but itself.
//  6. No more than Options.Buffer events are in memory.
//
// Not promised is that every version is seen. The stream keeps the last 16 messages of a job, a newer event takes the
// place of one that failed, and after a lost connection a newer one may overtake one that was on its way. Each event
// carries the whole job, and [Event.Missed] says how many were passed over.
//
// # Two ways of reading
//
// As a subscriber, with Options.User: POST /v1/subscribers of Ashbridge's API makes a user of NATS that may do nothing but
// read its own durable consumer. That consumer knows what was acknowledged, and goes on there. These are all the
// permissions that the feed uses, where <user> is also the consumer's name:
//
//	publish    $JS.API.CONSUMER.INFO.JOBS.<user>   $JS.API.CONSUMER.MSG.NEXT.JOBS.<user>
//	           $JS.ACK.JOBS.<user>.>               $JS.ACK.*.*.JOBS.<user>.>
//	subscribe  _INBOX_<user>.>
//
// Straight from the stream, without Options.User, for a board that runs beside Ashbridge with a NATS user of its own, which
// stands in the URL or in Options.NATS and may ask for the stream JOBS, read its messages, and make and delete consumers.
// Positions then say where to go on; with none, each Subscribe begins with the latest state of all jobs.
//
// A board that keeps its jobs in memory wants all of them at each start. That is what the second way does; a subscriber
// asks for a replay (POST /v1/subscribers/{id}/replay) before it opens the feed.
//
// One process reads as one subscriber at a time. Two would share the events, and a job's order would hold within each only.
//
// # Positions
//
// What a board keeps beyond its process decides what it needs:
//
//   - Jobs in a database: an implementation of [Positions] there. The example shows one for Postgres, which stores the
//     version in the transaction that stores the job; jobfeedtest checks an implementation.
//   - Jobs in a database, without Positions: as a subscriber it works, if the board compares Event.Version with that of the
//     stored job and ignores what is not newer. For an event that was delivered but not acknowledged when the process
//     ended comes again after the restart, even where a newer one of its job was handled in between.
//   - Jobs in memory: none.
//
// # When a handler fails
//
// An event whose handler returned an error is handed over again after 50 ms, then ever more slowly up to every 30 s, until
// it succeeds or the handler returns [Skip]. If meanwhile another event of the job comes, that one is handed over instead,
// at once: it carries the whole job. The server is told that the event is being worked on, so that it does not deliver it
// again, and holds a place in memory; when all places are held by failing events, nothing more is read. As that many
// jobs do not fail for reasons of their own, the handler's database is probably down, and nothing is lost by waiting.
//
// A handler that takes long is no failure: it may take hours. A panic is not caught; the event comes again after the crash.
//
// # When something breaks
//
//   - NATS restarts, the connection breaks, or falls silent: silence is noticed by heartbeats and pings within 15 s. A new
//     connection is made, for as long as it takes, at least every 5 s. What was on its way to a subscriber over the broken
//     one comes again within the consumer's AckWait of 30 s; a reader of the stream asks for it at once.
//   - NATS loses its data: Ashbridge rebuilds the stream from its database, with the same ids and versions, and the
//     subscribers' consumers. The feed notices that the stream or consumer was made anew or is not where it was: a reader
//     of the stream looks whether the last message that it read is still the same. All jobs are then read anew, and only
//     those versions handed over that were not handled.
//   - A message does not arrive: deliveries are numbered, and the server's heartbeats carry the last number, so that a gap
//     shows even where nothing follows it. A subscriber has it delivered again since it did not acknowledge it. A reader of
//     the stream goes back to where it was; and after a jump of versions, and every hour, it compares the last version of
//     every job in the stream with what it was given, and reads all jobs anew where one is behind.
//   - The server has messages and does not deliver them: a feed that hears nothing asks every 30 s, and begins anew.
//   - The consumer is not there: Ashbridge makes it again, under the same replay number. The feed waits for it, as it does
//     for the stream, and passes over the versions that it knows.
//   - NATS refuses the user: after a rotation or revocation it stays so, but while Ashbridge restarts, NATS refuses everybody,
//     since Ashbridge checks the passwords. Subscribe goes on trying, and returns [ErrRefused] when there was nothing but
//     refusals for Options.Patience.
//   - The board stops: the context of Subscribe ends. Handlers that run may finish; what waits is given back, so that the
//     next process has it at once; acknowledgements and the place in the stream are stored before Subscribe returns.
//   - A replay was asked for, or other employers were chosen, and the consumer has another replay number: the feed forgets
//     all versions, through [Positions].Reset, and what the consumer delivers is handed over again.
//
// A reader of the stream whose database was put back to an older copy, together with its positions, goes on from there.
// Where Ashbridge's own database was put back to an older copy, jobs that the copy knows go on above the versions that the
// stream had, and jobs that it does not know are counted from 1 again. Ashbridge sees that by the stream, and has every
// consumer begin anew with another number of replays; a reader of the stream that has no such consumer would take new
// events for known ones: call Reset.
//
// Jobs that were closed for 90 days leave the stream. A board that was away for longer begins with an empty store.
package jobfeed
