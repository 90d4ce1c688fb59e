package runner

import (
	"context"
	"fmt"
	"path/filepath"

	"xrun/runner/disk"
	"xrun/runner/slurm"
	"xrun/runner/store"
)

// joinSlurm adds to the states of a run's stages what Slurm says of their jobs:
// of those that are not done, the task that Slurm means to run, or else the last
// one that it still remembers. A run that was never submitted asks nobody.
func joinSlurm(ctx context.Context, fsys disk.FS, run string, stages []stageStatus) error {
	files, err := jobFilesOf(fsys, filepath.Dir(filepath.Clean(run)), filepath.Base(run))
	if err != nil {
		return err
	}
	submitted, err := files.submissions()
	if err != nil || len(submitted.bases) == 0 {
		return err
	}
	client, err := slurm.Find()
	if err != nil {
		return err
	}
	queue, err := client.Tasks(ctx)
	if err != nil {
		return err
	}
	of := map[store.Key]slurm.Task{}
	for _, t := range queue {
		p, ok := submitted.place(t)
		if !ok {
			continue
		}
		for _, k := range submitted.keys[p] {
			if old, ok := of[k]; !ok || t.Alive() && !old.Alive() {
				of[k] = t
			}
		}
	}
	for i := range stages {
		if t, ok := of[stages[i].Key]; ok && stages[i].State != stateDone {
			stages[i].Slurm = jobText(t)
			if !t.Alive() {
				stages[i].Slurm = "job " + t.ID() + " " + client.Ending(ctx, t)
			}
		}
	}
	return nil
}

// jobText says where a task stands, in Slurm's words.
func jobText(t slurm.Task) string {
	s := fmt.Sprintf("job %s %s", t.ID(), t.State)
	switch {
	case t.Node != "":
		s += " on " + t.Node
	case t.Reason != "" && t.Reason != "None":
		s += " (" + t.Reason + ")"
	}
	return s
}
