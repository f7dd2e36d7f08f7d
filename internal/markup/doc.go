// Package markup makes the HTML of job ads safe to place inside a page, and readable without one.
//
// It guarantees that what HTML returns holds only the elements and attributes of its allow-list, is well nested (a stray
// end tag cannot close an element of the page around it), and does not change when it is cleaned again. The same input
// gives the same output, always: a job's hash depends on it.
package markup
