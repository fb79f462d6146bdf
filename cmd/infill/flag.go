package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
)

// envName returns the environment variable of a flag.
func envName(flag string) string {
	return "INFILL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// onlyArgument annotates a flag that has no environment variable.
const onlyArgument = "only-argument"

// notFromEnv keeps a flag from taking its value from the environment.
func notFromEnv(flags *pflag.FlagSet, name string) {
	if err := flags.SetAnnotation(name, onlyArgument, nil); err != nil {
		panic(err) // there is no such flag
	}
}

// flagsFromEnv gives the flags that are not on the command line the values of
// their environment variables, where those exist.
func flagsFromEnv(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := os.LookupEnv(envName(f.Name))
		_, only := f.Annotations[onlyArgument]
		if !ok || only || f.Changed || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: %w", envName(f.Name), err))
		}
	})
	return errors.Join(errs...)
}

// sizeValue is the value of a flag that takes a number of bytes with a unit,
// such as 512, 64KiB, 1GB.
type sizeValue int64

func newSize(p *int64, value int64) *sizeValue {
	*p = value
	return (*sizeValue)(p)
}

// Set parses a size.
func (v *sizeValue) Set(s string) error {
	n, err := humanize.ParseBytes(s)
	if err != nil || n > math.MaxInt64 {
		return errors.New("not a size such as 512, 64KiB or 1GB")
	}
	*v = sizeValue(n)
	return nil
}

// String returns the size as Set takes it, rounded to a tenth of a unit.
func (v *sizeValue) String() string {
	return strings.ReplaceAll(strings.Replace(humanize.IBytes(uint64(*v)), ".0 ", " ", 1), " ", "")
}

// Type returns what the help shows for the value.
func (v *sizeValue) Type() string { return "size" }

// choiceValue is the value of a flag that takes one of a few words.
type choiceValue struct {
	p     *string
	words []string
}

// newChoice returns a value that is the first of the words until it is set.
func newChoice(p *string, words ...string) *choiceValue {
	*p = words[0]
	return &choiceValue{p, words}
}

// Set takes one of the words.
func (v *choiceValue) Set(s string) error {
	if !slices.Contains(v.words, s) {
		return fmt.Errorf("not one of %s", strings.Join(v.words, ", "))
	}
	*v.p = s
	return nil
}

// String returns the word.
func (v *choiceValue) String() string { return *v.p }

// Type returns what the help shows for the value.
func (v *choiceValue) Type() string { return strings.Join(v.words, "|") }
