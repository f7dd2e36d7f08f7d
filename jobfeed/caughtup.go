package jobfeed

// catchUp finds the moment at which all that lay in the stream has been handled. Its owner holds a lock.
type catchUp struct {
	// read says that all of it was received, waiting how many of those are neither handled nor failed.
	read    bool
	waiting int
	// over says that the moment will not come any more, or has come.
	over bool
	done chan struct{}
}

// allRead says that whatever lay in the stream has been received.
func (l *lanes) allRead() {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.caught
	if c.read || c.over {
		return
	}
	c.read = true
	for _, q := range l.queues {
		for _, it := range q.items {
			if q.failures == 0 {
				it.awaited = true
				c.waiting++
			}
		}
	}
	c.check()
}

// isRead says whether allRead was called, or need not be.
func (l *lanes) isRead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.caught.read || l.caught.over
}

// settle notes that an event was handled, failed, or gave way to a newer one.
func (c *catchUp) settle(it *item) {
	if !it.awaited {
		return
	}
	it.awaited = false
	c.waiting--
	c.check()
}

func (c *catchUp) check() {
	if c.read && c.waiting == 0 && !c.over {
		c.over = true
		close(c.done)
	}
}

// unread begins anew, since what was received is received again.
func (c *catchUp) unread() { c.read, c.waiting = false, 0 }
