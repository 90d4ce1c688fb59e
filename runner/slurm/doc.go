// Package slurm runs work on a Slurm cluster through Slurm's own commands:
// sbatch to submit job arrays, squeue and scontrol to follow them, scancel and
// scontrol requeue to end or restart them. It needs no accounting database.
//
// It is not a scheduler and knows nothing of studies: an array is a script and a
// set of indices. Most readers need [Client.Submit] and [Client.Tasks]; README.md
// beside this file is for people who run studies on a cluster.
//
// The names of arrays are unique, made before sbatch is called. So whoever was
// killed between asking for an array and hearing its number finds it again by
// name, and nothing is submitted twice.
package slurm
