package par

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// TestAffinity: a process that is held to one processor has one worker.
func TestAffinity(t *testing.T) {
	const child = "LDM_TEST_AFFINITY"
	if os.Getenv(child) != "" {
		fmt.Print(NewPool(0).Workers())
		os.Exit(0)
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 {
		t.Skip("needs taskset and two processors")
	}
	cmd := exec.Command(taskset, "-c", "0", os.Args[0], "-test.run=^TestAffinity$")
	cmd.Env = append(os.Environ(), child+"=1", "GOMAXPROCS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("the system does not let us choose processor 0: %v, %s", err, out)
	}
	if string(out) != "1" {
		t.Errorf("%s workers on one processor", out)
	}
}
