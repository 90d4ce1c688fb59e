package ptx

// lowerings returns the handlers of the specification's forms.
func lowerings() map[string]func(*lowerer, *match) {
	return map[string]func(*lowerer, *match){
		"add": lowerAdd, "sub": lowerSub, "mul": lowerMul, "mulwide": lowerMulWide, "mad": lowerMad, "madwide": lowerMadWide,
		"mul24": lowerMul24, "mad24": lowerMad24, "mad24sat": lowerMad24Sat, "sad": lowerSad, "div": lowerDivRem, "rem": lowerDivRem,
		"abs": lowerAbs, "neg": lowerNeg, "min": lowerMinMax, "max": lowerMinMax, "popc": lowerPopc, "clz": lowerClz,
		"bfind": lowerBfind, "fns": lowerFns, "brev": lowerBrev, "bfe": lowerBfe, "bfi": lowerBfi, "szext": lowerSzext, "bmsk": lowerBmsk,
		"dp4a": lowerDot, "dp2a": lowerDot, "addc": lowerCarry, "madc": lowerCarry,
		"and": lowerLogic, "or": lowerLogic, "xor": lowerLogic, "not": lowerNot, "cnot": lowerCnot, "predlogic": lowerPredLogic, "prednot": lowerPredNot,
		"lop3": lowerLop3, "lop3bool": lowerLop3Bool, "shf": lowerShf, "shl": lowerShl, "shr": lowerShr, "prmt": lowerPrmt,
		"fma": lowerFma, "rcp": lowerRcp, "sqrt": lowerSqrt, "approx": lowerApprox, "copysign": lowerCopysign, "testp": lowerTestp,
		"cvt": lowerCvt, "cvt2": lowerCvt2, "cvt8": lowerCvt8, "cvtpack": lowerCvtPack,
		"setp": lowerSetp, "set": lowerSet, "selp": lowerSelp, "slct": lowerSlct,
		"mov": lowerMov, "movpred": lowerMovPred, "movpack": lowerMovPack, "movvec": lowerMovVec, "isspacep": lowerIsspacep, "cvta": lowerCvta, "refused32": lowerRefused32,
		"ld": lowerLd, "st": lowerSt, "atom": lowerAtom, "red": lowerAtom, "nothing": lowerNothing,
		"cpasync": lowerCpAsync, "mbarrier": lowerMbarrier, "pendingcount": lowerPendingCount, "cpmbarrier": lowerCpMbarrier, "createpolicy": lowerCreatePolicy, "cpcommit": lowerCpCommit, "cpwait": lowerCpWait,
		"bra": lowerBra, "brx": lowerBrx, "call": lowerCall, "ret": lowerRet, "exit": lowerExit, "trap": lowerTrap, "alloca": lowerAlloca, "stacksave": lowerStackSave, "stackrestore": lowerStackRestore,
		"barrier": lowerBarrier, "barred": lowerBarRed, "warpsync": lowerWarpSync, "fence": lowerFence,
		"shfl": lowerShfl, "oldshfl": lowerOldShfl, "vote": lowerVote, "oldvote": lowerOldVote, "match": lowerMatch,
		"activemask": lowerActivemask, "redux": lowerRedux, "elect": lowerElect,
		"ldmatrix": lowerLdmatrix, "stmatrix": lowerStmatrix, "movmatrix": lowerMovmatrix, "mma": lowerMma,
		"wmmaload": lowerWmmaLoad, "wmmastore": lowerWmmaStore, "wmma": lowerWmma, "video": lowerVideo,
	}
}
