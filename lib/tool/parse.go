package tool

// Parse reads the value of an option into a variable, unless it is empty. The error is a
// usage error that names the option.
func Parse[T any](option, value string, parse func(string) (T, error), to *T) error {
	if value == "" {
		return nil
	}
	t, err := parse(value)
	if err != nil {
		return UsageError("--%s: %w", option, err)
	}
	*to = t
	return nil
}
