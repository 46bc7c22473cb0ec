package cmd

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// TestInVM runs the tests of secure repositories in a virtual machine whose kernel has
// fs-verity, and is not the newest; in a long test also others that mount.
func TestInVM(t *testing.T) {
	t.Parallel()
	cmdtest.Slow(t)
	const script = "../scripts/verity-vm"
	if out, err := exec.Command(script, "--prepare").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, and so secure repositories are not tested: %s --prepare: %v\n%s", script, err, out)
	}
	share, tests := t.TempDir(), []string{"TestSecure", "TestInsecureAnyway", "TestInitWithoutVerity", "TestSecureSigned", "TestSecureKilledInEnable", "TestSecureSealed"}
	if cmdtest.Long() {
		tests = append(tests, "TestSecureKilled", "TestMount", "TestMountReadWrite", "TestMountKeeps")
	}
	must(t, "", "cp -r "+cmdtest.Tools(t)+" "+share+"/tools && CGO_ENABLED=0 go test -c -ldflags '-s -w' -o "+share+"/cmd.test .")
	// A second CPU, which is emulated too, makes it slower.
	vm := exec.Command(script, "--share", share, "--cpus", "1", "--timeout", "900", "--env", cmdtest.ToolsEnv+"=/share/tools", "--env", "TMPDIR=/scratch", "--env", "CFS_SOAK="+os.Getenv("CFS_SOAK"),
		"--", "/share/cmd.test", "-test.v", "-test.run", "^("+strings.Join(tests, "|")+")$")
	r := cmdtest.Run(t, vm)
	t.Logf("in the virtual machine: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	if r.Status != 0 {
		t.Error("a test failed there")
	}
	for _, name := range tests {
		if !strings.Contains(r.Stdout, "--- PASS: "+name+" ") {
			t.Errorf("%s did not pass there", name)
		}
	}
}
