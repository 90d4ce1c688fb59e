package runner

// commands is the command table, in the order of the usage text. A line whose
// first word is none of these is a run of a spec.
var commands = []*command{
	vetCommand, planCommand, describeCommand, statusCommand, reportCommand, diffCommand, verifyCommand, exportCommand, generateCommand, evalCommand,
	benchCommand, selftestCommand, storeCommand, stageCommand, versionCommand,
}
