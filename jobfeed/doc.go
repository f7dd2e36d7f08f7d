// Package jobfeed is what a job board imports to follow Ashbridge's events: a snapshot of all jobs and then every change,
// in one subscription.
package jobfeed
