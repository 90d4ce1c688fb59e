// Command xrun runs controlled fine-tuning studies and writes their reports.
//
//	xrun SPEC                run what is missing and write the report
//	xrun vet SPEC...         check specs
//	xrun plan SPEC           cells, keys, what is done, mask ledger, cost
//	xrun describe MODEL      structure of a model
//	xrun describe data SPEC  what a study trains on
//	xrun describe suite NAME a suite's exact prompts
//	xrun status RUN          state of a run's stages
//	xrun report RUN          remake report.md from the run's tables
//	xrun diff A B            paired comparison of two runs
//	xrun verify RUN          recompute in an empty store and compare bytes
//	xrun export RUN CELL DIR write a tuned model for transformers
//	xrun generate MODEL TEXT continue a text
//	xrun eval MODEL          score a model without a spec
//	xrun bench [MODEL]       speed of this machine, as shares of its limits
//	xrun selftest            test the engine on this machine
//	xrun store ls|gc|verify  list, tidy or check the finished stages
//	xrun version             what this program was built from
//
// `xrun help COMMAND` explains each. Exit status: 0 done, 1 failed, 2 wrong
// usage, 3 runs differ (diff -fail-on, verify), 4 the engine a run needs is not
// here, 130 interrupted.
package main

import (
	"os"

	"xrun/runner"
)

func main() {
	os.Exit(runner.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
