package cmd

// proxiedHost is a name that only the proxy of a test resolves.
const proxiedHost = "registry.example.test"
