package ptx

import "strconv"

// special is a special register.
type special uint8

const (
	spTidX special = iota
	spTidY
	spTidZ
	spNtidX
	spNtidY
	spNtidZ
	spLaneid
	spWarpid
	spNwarpid
	spCtaidX
	spCtaidY
	spCtaidZ
	spNctaidX
	spNctaidY
	spNctaidZ
	spSmid
	spNsmid
	spGridid
	spLanemaskEq
	spLanemaskLe
	spLanemaskLt
	spLanemaskGe
	spLanemaskGt
	spTotalSmem
	spDynamicSmem
	spAggrSmem
	spZero
	spOne
	spWorkspace
	spWorkspaceHi
	spClock
	spClockHi
	spClock64
	spGlobaltimer
	spGlobaltimerLo
	spGlobaltimerHi
)

type specialInfo struct {
	kind special
	typ  typ
}

var specials = environment(map[string]specialInfo{
	"%tid.x": {spTidX, tU32}, "%tid.y": {spTidY, tU32}, "%tid.z": {spTidZ, tU32}, "%tid.w": {spZero, tU32},
	"%ntid.x": {spNtidX, tU32}, "%ntid.y": {spNtidY, tU32}, "%ntid.z": {spNtidZ, tU32}, "%ntid.w": {spZero, tU32},
	"%ctaid.x": {spCtaidX, tU32}, "%ctaid.y": {spCtaidY, tU32}, "%ctaid.z": {spCtaidZ, tU32}, "%ctaid.w": {spZero, tU32},
	"%nctaid.x": {spNctaidX, tU32}, "%nctaid.y": {spNctaidY, tU32}, "%nctaid.z": {spNctaidZ, tU32}, "%nctaid.w": {spZero, tU32},
	"%laneid": {spLaneid, tU32}, "%warpid": {spWarpid, tU32}, "%nwarpid": {spNwarpid, tU32},
	"%smid": {spSmid, tU32}, "%nsmid": {spNsmid, tU32}, "%gridid": {spGridid, tU64},
	"%lanemask_eq": {spLanemaskEq, tU32}, "%lanemask_le": {spLanemaskLe, tU32}, "%lanemask_lt": {spLanemaskLt, tU32},
	"%lanemask_ge": {spLanemaskGe, tU32}, "%lanemask_gt": {spLanemaskGt, tU32},
	"%clock": {spClock, tU32}, "%clock_hi": {spClockHi, tU32}, "%clock64": {spClock64, tU64},
	"%globaltimer": {spGlobaltimer, tU64}, "%globaltimer_lo": {spGlobaltimerLo, tU32}, "%globaltimer_hi": {spGlobaltimerHi, tU32},
	"%total_smem_size": {spTotalSmem, tU32}, "%dynamic_smem_size": {spDynamicSmem, tU32}, "%aggr_smem_size": {spAggrSmem, tU32},
	// A launch without clusters has clusters of one block.
	"%is_explicit_cluster": {spZero, tPred},
	"%cluster_ctaid.x":     {spZero, tU32}, "%cluster_ctaid.y": {spZero, tU32}, "%cluster_ctaid.z": {spZero, tU32},
	"%cluster_nctaid.x": {spOne, tU32}, "%cluster_nctaid.y": {spOne, tU32}, "%cluster_nctaid.z": {spOne, tU32},
	"%cluster_ctarank": {spZero, tU32}, "%cluster_nctarank": {spOne, tU32},
	"%clusterid.x": {spCtaidX, tU32}, "%clusterid.y": {spCtaidY, tU32}, "%clusterid.z": {spCtaidZ, tU32},
	"%nclusterid.x": {spNctaidX, tU32}, "%nclusterid.y": {spNctaidY, tU32}, "%nclusterid.z": {spNctaidZ, tU32},
})

// environment adds the driver's registers, %envreg0 to 31. Registers 2 and 1 hold the
// address of the launch's workspace, which CUDA's cooperative groups use to synchronize the
// blocks of a grid. The others are zero.
func environment(m map[string]specialInfo) map[string]specialInfo {
	for i := range 32 {
		m["%envreg"+strconv.Itoa(i)] = specialInfo{spZero, tB32}
	}
	m["%envreg1"] = specialInfo{spWorkspaceHi, tB32}
	m["%envreg2"] = specialInfo{spWorkspace, tB32}
	return m
}

// dynamic reports whether the register changes while a thread runs.
func (s special) dynamic() bool { return s >= spClock }

// value returns the register of a lane.
func (w *warp) value(s special, lane int) uint64 {
	b := w.block
	t := w.thread(lane)
	switch s {
	case spTidX:
		return uint64(t.X)
	case spTidY:
		return uint64(t.Y)
	case spTidZ:
		return uint64(t.Z)
	case spNtidX:
		return uint64(b.run.l.Block.X)
	case spNtidY:
		return uint64(b.run.l.Block.Y)
	case spNtidZ:
		return uint64(b.run.l.Block.Z)
	case spLaneid:
		return uint64(lane)
	case spWarpid:
		return uint64(w.id)
	case spNwarpid:
		return uint64(len(b.warps))
	case spCtaidX:
		return uint64(b.id.X)
	case spCtaidY:
		return uint64(b.id.Y)
	case spCtaidZ:
		return uint64(b.id.Z)
	case spNctaidX:
		return uint64(b.run.l.Grid.X)
	case spNctaidY:
		return uint64(b.run.l.Grid.Y)
	case spNctaidZ:
		return uint64(b.run.l.Grid.Z)
	case spSmid:
		return b.smid
	case spNsmid:
		return uint64(b.run.dev.cfg.Multiprocessors)
	case spGridid:
		return uint64(b.run.number)
	case spLanemaskEq:
		return 1 << lane
	case spLanemaskLt:
		return 1<<lane - 1
	case spLanemaskLe:
		return 2<<lane - 1
	case spLanemaskGe:
		return fullMask &^ (1<<lane - 1)
	case spLanemaskGt:
		return fullMask &^ (2<<lane - 1)
	case spTotalSmem, spAggrSmem:
		return uint64(len(b.shared))
	case spDynamicSmem:
		return uint64(b.run.l.Shared)
	case spOne:
		return 1
	case spWorkspace:
		return b.run.workspace & 0xffffffff
	case spWorkspaceHi:
		return b.run.workspace >> 32
	}
	return 0
}

// readSpecial reads a clock: the number of instructions that the warp has executed, with a
// start and a rate drawn from the seed.
func readSpecial(w *warp, in *instr) {
	clock := w.block.clock0 + uint64(w.steps)*w.block.clockRate
	v := clock
	switch special(in.imm) {
	case spClock, spGlobaltimerLo:
		v = clock & 0xffffffff
	case spClockHi, spGlobaltimerHi:
		v = clock >> 32
	}
	d := &w.regs[in.d]
	for l := range d {
		if w.mask>>l&1 != 0 {
			d[l] = v
		}
	}
}
