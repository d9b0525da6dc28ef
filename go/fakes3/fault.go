package fakes3

// fault.go owns: fault scripts: their text, and which requests they mean.
// It refuses to know: how a fault is done to a request.
//
// A script is one printable line, so that a failing test can show it and a person can paste it. It is any number of faults:
//
//	(delay 30ms WHEN)                 wait before anything else
//	(status 503 WHEN)                 answer with an error instead; (status 400 RequestTimeout WHEN) names its code
//	(error-in-200 WHEN)               answer 200 with an error inside, as a complete or a copy may; a code may follow
//	(reset WHEN)                      hang up instead of answering
//	(lost WHEN)                       do it, then hang up instead of answering
//	(stall 2s WHEN)                   go silent in the middle of the body, then go on
//	(truncate WHEN)                   end in the middle of the answer's body
//	(corrupt WHEN)                    change one byte in the middle of the answer's body
//	(etag changed WHEN)               answer with this ETag
//	(ignore-range WHEN)               answer as if no range had been asked for
//
// The middle is that of the request's body for put and part, else of the answer's; (after N), as in (reset (after 1000)
// WHEN), makes it N bytes from the body's start. A body that does not get so far meets no fault. WHEN is a verb and what
// must hold besides:
//
//	(get)  (get (key "a b") (nth 2))  (part (part 3))  (times 2 (put))  (get (at 8388608))  (any)
//
// nth N is the N-th request that fits the rest, times N the first N (or, with nth, N from that one on). part is the part
// number; of a ranged get, which part it would be if all were as long and counted from 0. at N is a get of byte N.

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// fault is one fault of a script.
type fault struct {
	action   string
	duration time.Duration // delay, stall
	status   int           // status
	word     string        // status, error-in-200: the code; etag: the tag
	after    int64         // reset, stall, truncate, corrupt: bytes of body, or -1
	when     condition

	seen  int          // requests that fit all but nth and times; guarded by Server.mu
	fired atomic.Int64 // how often it was done
}

// condition says which requests a fault is for.
type condition struct {
	verb  verb
	keyed bool
	key   string
	part  int // 0: any
	at    int64
	nth   int // 0: all
	times int // 0: all, or one if there is nth
}

var scriptVerbs = []verb{
	verbGet, verbHead, verbPut, verbPart, verbCreate, verbComplete, verbAbort, verbList, verbDelete, verbCopy, verbAny,
}

// SetFaults replaces the script; "" ends all faults. Counting begins anew.
func (s *Server) SetFaults(script string) error {
	faults, err := parseFaults(script)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
	return nil
}

// Faults is the script, fault by fault, each after the number of times it was done: "2 (status 503 (times 2 (put)))".
// A test that sets a fault looks here, or it proves nothing.
func (s *Server) Faults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, f := range s.faults {
		lines = append(lines, fmt.Sprintf("%d %s", f.fired.Load(), f))
	}
	return lines
}

// hits are the faults that are due for this request, in the order of the script.
func (s *Server) hits(r *http.Request, c *call) []*fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []*fault
	for _, f := range s.faults {
		if !f.when.fits(r, c) {
			continue
		}
		f.seen++
		first, last := max(f.when.nth, 1), f.when.nth
		if f.when.times > 0 {
			last = first + f.when.times - 1
		}
		if f.seen >= first && (last == 0 || f.seen <= last) {
			due = append(due, f)
		}
	}
	return due
}

// fits says whether all but nth and times hold.
func (w condition) fits(r *http.Request, c *call) bool {
	v := c.verb
	if v == verbPartCopy {
		v = verbCopy
	}
	if w.verb != verbAny && w.verb != v || w.keyed && w.key != c.key {
		return false
	}
	if w.part == 0 && w.at < 0 {
		return true
	}
	asked, ranged := parseRange(r.Header.Get("Range"))
	ranged = ranged && asked.suffix < 0
	if w.at >= 0 && !(v == verbGet && (!ranged || asked.start <= w.at && w.at < asked.end)) {
		return false
	}
	if w.part > 0 && c.part == 0 && ranged {
		return int64(w.part) == asked.start/(asked.end-asked.start)+1
	}
	return w.part == 0 || w.part == c.part
}

// String is the text that parseFaults reads.
func (f *fault) String() string {
	var b strings.Builder
	b.WriteString("(" + f.action)
	if f.duration > 0 {
		b.WriteString(" " + f.duration.String())
	}
	if f.status > 0 {
		b.WriteString(" " + strconv.Itoa(f.status))
	}
	if f.word != "" {
		b.WriteString(" " + atom(f.word))
	}
	if f.after >= 0 {
		fmt.Fprintf(&b, " (after %d)", f.after)
	}
	b.WriteString(" " + f.when.String() + ")")
	return b.String()
}

func (w condition) String() string {
	var b strings.Builder
	b.WriteString("(" + string(w.verb))
	if w.keyed {
		b.WriteString(" (key " + strconv.QuoteToASCII(w.key) + ")")
	}
	if w.part > 0 {
		fmt.Fprintf(&b, " (part %d)", w.part)
	}
	if w.at >= 0 {
		fmt.Fprintf(&b, " (at %d)", w.at)
	}
	if w.nth > 0 {
		fmt.Fprintf(&b, " (nth %d)", w.nth)
	}
	b.WriteString(")")
	if w.times > 0 {
		return fmt.Sprintf("(times %d %s)", w.times, &b)
	}
	return b.String()
}

// atom writes a word so that it is read back as one.
func atom(word string) string {
	if strings.ContainsFunc(word, func(r rune) bool { return !isAtom(r) }) {
		return strconv.QuoteToASCII(word)
	}
	return word
}

func isAtom(r rune) bool {
	return r == '-' || r == '.' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == 'µ'
}

// form is a form of a script: a list, or an atom or string.
type form struct {
	list   []form
	isList bool
	text   string
}

// head is the name that a list begins with, "" of anything else.
func (f form) head() string {
	if len(f.list) == 0 || f.list[0].isList {
		return ""
	}
	return f.list[0].text
}

// String is the form for error messages.
func (f form) String() string {
	if !f.isList {
		return atom(f.text)
	}
	var words []string
	for _, item := range f.list {
		words = append(words, item.String())
	}
	return "(" + strings.Join(words, " ") + ")"
}

// maxDepth is deeper than any fault is.
const maxDepth = 8

// readForms reads forms up to the end or, within a list, its ")"; rest begins with that.
func readForms(s string, depth int) (forms []form, rest string, err error) {
	for {
		s = strings.TrimLeft(s, " ")
		switch {
		case s == "" || s[0] == ')':
			return forms, s, nil
		case s[0] == '(':
			if depth == maxDepth {
				return nil, "", fmt.Errorf("fault script: too deep at %q", s)
			}
			inner, rest, err := readForms(s[1:], depth+1)
			if err != nil {
				return nil, "", err
			}
			if rest == "" {
				return nil, "", fmt.Errorf("fault script: no ) for %q", s)
			}
			forms, s = append(forms, form{list: inner, isList: true}), rest[1:]
		case s[0] == '"':
			quoted, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, "", fmt.Errorf("fault script: bad string at %q", s)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, "", fmt.Errorf("fault script: bad string at %q", s)
			}
			forms, s = append(forms, form{text: text}), s[len(quoted):]
		default:
			n := strings.IndexFunc(s, func(r rune) bool { return !isAtom(r) })
			if n < 0 {
				n = len(s)
			}
			if n == 0 {
				return nil, "", fmt.Errorf("fault script: what is %q", s)
			}
			forms, s = append(forms, form{text: s[:n]}), s[n:]
		}
	}
}

// parseFaults reads a script.
func parseFaults(script string) ([]*fault, error) {
	forms, rest, err := readForms(script, 0)
	if err != nil {
		return nil, err
	}
	if rest != "" {
		return nil, fmt.Errorf("fault script: stray ) at %q", rest)
	}
	var faults []*fault
	for _, item := range forms {
		f, err := parseFault(item)
		if err != nil {
			return nil, fmt.Errorf("fault script: %w in %v", err, item)
		}
		faults = append(faults, f)
	}
	return faults, nil
}

// actions are what a fault can do, with what may or must follow its name.
var actions = map[string]string{
	"delay": "duration", "stall": "duration after", "status": "status code", "error-in-200": "code", "reset": "after",
	"lost": "", "truncate": "after", "corrupt": "after", "etag": "word", "ignore-range": "",
}

func parseFault(item form) (*fault, error) {
	f := &fault{action: item.head(), after: -1}
	takes, ok := actions[f.action]
	if !ok {
		return nil, fmt.Errorf("no fault %q", f.action)
	}
	args := item.list[1:]
	next := func(wanted bool) (text string, ok bool) {
		if !wanted || len(args) == 0 || args[0].isList {
			return "", false
		}
		text, args = args[0].text, args[1:]
		return text, true
	}
	for _, kind := range strings.Fields(takes) {
		var err error
		text, given := "", false
		if text, given = next(kind != "after"); !given && kind != "code" && kind != "after" {
			return nil, fmt.Errorf("no %s", kind)
		}
		switch kind {
		case "duration":
			if f.duration, err = time.ParseDuration(text); err != nil || f.duration <= 0 {
				return nil, fmt.Errorf("bad duration %q", text)
			}
		case "status":
			if f.status, err = strconv.Atoi(text); err != nil || f.status < 300 || f.status > 599 {
				return nil, fmt.Errorf("bad status %q", text)
			}
		case "after":
			if len(args) == 2 && args[0].head() == "after" {
				if f.after, err = number(args[0], 0); err != nil {
					return nil, err
				}
				args = args[1:]
			}
		default:
			if f.word = text; given && text == "" {
				return nil, fmt.Errorf("empty %s", kind)
			}
		}
	}
	if len(args) != 1 {
		return nil, fmt.Errorf("want one (verb …) at the end, have %d", len(args))
	}
	var err error
	f.when, err = parseCondition(args[0])
	return f, err
}

func parseCondition(item form) (condition, error) {
	if item.head() == "times" && len(item.list) == 3 {
		n, err := number(form{list: item.list[:2]}, 1)
		if err != nil || item.list[2].head() == "times" {
			return condition{}, fmt.Errorf("bad times %v", item)
		}
		w, err := parseCondition(item.list[2])
		w.times = int(n)
		return w, err
	}
	w := condition{verb: verb(item.head()), at: -1}
	if !slices.Contains(scriptVerbs, w.verb) {
		return w, fmt.Errorf("no verb %q, only %v", item.head(), scriptVerbs)
	}
	said := map[string]bool{}
	for _, sub := range item.list[1:] {
		name := sub.head()
		if said[name] {
			return w, fmt.Errorf("two of %q", name)
		}
		said[name] = true
		var n int64
		var err error
		switch {
		case name == "key" && len(sub.list) == 2 && !sub.list[1].isList:
			w.keyed, w.key = true, sub.list[1].text
		case name == "part":
			n, err = number(sub, 1)
			w.part = int(n)
		case name == "nth":
			n, err = number(sub, 1)
			w.nth = int(n)
		case name == "at":
			w.at, err = number(sub, 0)
		default:
			err = fmt.Errorf("no condition %v, only key, part, at, nth", sub)
		}
		if err != nil {
			return w, err
		}
	}
	return w, nil
}

// number reads (name N), N at least that much.
func number(item form, least int64) (int64, error) {
	if len(item.list) == 2 && !item.list[1].isList {
		if n, err := strconv.ParseInt(item.list[1].text, 10, 48); err == nil && n >= least {
			return n, nil
		}
	}
	return 0, fmt.Errorf("bad number in %v", form{list: item.list, isList: true})
}
