// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// asMember in the environment makes this test binary a member: the bench starts its members by starting itself.
const asMember = "AURIGRAPH_TEST_MEMBER"

func TestMain(m *testing.M) {
	if os.Getenv(asMember) != "" {
		if err := Member(context.Background(), os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func memberCommand() *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asMember+"=1")
	return cmd
}
