package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ldm-go/ldm/fault"
)

// usageError is a command line that is not understood; the program ends with
// status 2, as programs do that have not begun.
type usageError struct{ text string }

func (e usageError) Error() string        { return e.text }
func (e usageError) Is(target error) bool { return target == fault.Input }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// exitStatus is what the program ends with after an error.
func exitStatus(err error) int {
	// cobra has no type for flags that are required.
	if errors.As(err, new(usageError)) || strings.HasPrefix(err.Error(), "required flag(s)") {
		return 2
	}
	return 1
}

// strict makes a tree of commands refuse sub-commands that are not there, and say
// of flags and arguments what is wanted.
func strict(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(flagError)
	args := cmd.Args
	switch {
	case !cmd.Runnable(): // a group of commands
		cmd.DisableFlagsInUseLine = true
		cmd.Args = noSuchCommand
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	case cmd.Name() == "help":
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if found, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 {
				return noSuchCommand(found, rest)
			}
			return nil
		}
	case args != nil:
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return usagef("%s; want %s", argumentError(cmd, given, err), cmd.UseLine())
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

// checkCommon checks the flags that many commands have.
func checkCommon(flags *pflag.FlagSet) error {
	if out := flags.Lookup("out"); out != nil && out.Changed && out.Value.String() == "" {
		return usagef("%s is empty: want a name (%s)", flagName(out), out.Usage)
	}
	const most = 4096 // more than any machine has; each has memory of its own
	if n, err := flags.GetInt("threads"); err == nil && (n < 0 || n > most) {
		return usagef("--threads %d: want 0 (all processors) to %d", n, most)
	}
	return nil
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	return usagef("unknown command %q for %q: want one of %s", args[0], cmd.CommandPath(), strings.Join(known, ", "))
}

// argumentError says what is wrong with the arguments; cobra calls one too many
// an unknown command.
func argumentError(cmd *cobra.Command, given []string, err error) string {
	if text := err.Error(); !strings.HasPrefix(text, "unknown command") {
		return text
	}
	return fmt.Sprintf("%s takes no argument %q", cmd.CommandPath(), given[0])
}

// flagError says what kind of value a flag wants.
func flagError(_ *cobra.Command, err error) error {
	var missing *pflag.ValueRequiredError
	var wrong *pflag.InvalidValueError
	switch {
	case errors.As(err, &missing):
		f := missing.GetFlag()
		return usagef("%s has no value: want %s (%s)", flagName(f), kindOf(f), f.Usage)
	case errors.As(err, &wrong):
		f := wrong.GetFlag()
		if kind, known := kinds[f.Value.Type()]; known && errors.As(err, new(*strconv.NumError)) {
			return usagef("%s %q: want %s", flagName(f), wrong.GetValue(), kind)
		}
		return usagef("%s %q: %s", flagName(f), wrong.GetValue(), strings.TrimPrefix(wrong.Unwrap().Error(), wrong.GetValue()+": "))
	}
	return usagef("%s", err)
}

func flagName(f *pflag.Flag) string {
	if f.Shorthand != "" {
		return "-" + f.Shorthand + ", --" + f.Name
	}
	return "--" + f.Name
}

// kinds says what the values of flags are, by the names of their types in pflag.
var kinds = map[string]string{
	"int": "a whole number", "int64": "a whole number", "uint64": "a whole number of at least 0", "uint": "a whole number of at least 0",
	"float64": "a number", "float32": "a number", "bool": "true or false", "duration": "a time, as 30s or 5m",
	"string": "a text", "strings": "texts with commas between them", "stringArray": "a text",
}

func kindOf(f *pflag.Flag) string {
	if kind, known := kinds[f.Value.Type()]; known {
		return kind
	}
	return "a value"
}
