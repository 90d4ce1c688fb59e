package model

import (
	"xrun/kernels"
)

// gradients holds the results of the backward pass of a micro-batch: the gradients of
// parameters, and the buffers that pass gradients from block to block.
type gradients struct {
	w weights // of every parameter; F32

	dx     kernels.Tensor // [T, hidden] gradient of the residual stream
	dxA    kernels.Tensor // [T, hidden] A, dx as an operand; nil in F32
	dnorm  kernels.Tensor // [T, hidden] of a norm's output
	dprod  kernels.Tensor // [T, intermediate] of SwiGLU's result
	dattn  kernels.Tensor // [T, heads*headDim] of attention's output
	dattnA kernels.Tensor // dattn as an operand, A; nil in F32
	dq     kernels.Tensor // [T, heads*headDim]
	dk, dv kernels.Tensor // [T, kvHeads*headDim]
	dRawQ  kernels.Tensor // [T, heads*headDim] before the norm of q; nil without one
	dRawK  kernels.Tensor // [T, kvHeads*headDim]
	dqA    kernels.Tensor // dq, dk and dv as operands, A; nil in F32
	dkA    kernels.Tensor
	dvA    kernels.Tensor
}

// operand rounds d to the model's precision, into buf. In F32 buf is nil and d itself is
// the operand.
func (m *Model) operand(buf, d kernels.Tensor) kernels.Tensor {
	if buf == nil {
		return d
	}
	m.e.Convert(buf, d)
	return buf
}

// linearGrad adds the gradient of y = x·wᵀ + b to the gradients of w and b.
func (m *Model) linearGrad(g linear, dy, x kernels.Tensor, starts []int32, carry bool) {
	m.e.LinearGradWeight(g.weight, dy, x, starts, carry)
	if g.bias != nil {
		m.e.BiasGrad(g.bias, dy, carry)
	}
}

// mlpGrad is the gradient of mlp. On entry g.dx is the gradient of the block's output, on
// return that of a.x1. gate and up are overwritten by their gradients.
func (m *Model) mlpGrad(l, dl *layer, a *activations, s *scratch, g *gradients, starts []int32, carry bool) {
	dy := m.operand(g.dxA, g.dx)
	m.e.SwiGLU(s.prod, a.gate, a.up)
	m.linearGrad(dl.down, dy, s.prod, starts, carry)
	m.e.LinearGradInput(g.dprod, dy, l.down.weight, false)
	m.e.SwiGLUGrad(a.gate, a.up, g.dprod, a.gate, a.up)

	m.e.RMSNorm(s.norm, a.x1, l.postNorm, m.eps())
	m.linearGrad(dl.gate, a.gate, s.norm, starts, carry)
	m.linearGrad(dl.up, a.up, s.norm, starts, carry)
	m.e.LinearGradInput(g.dnorm, a.gate, l.gate.weight, false)
	m.e.LinearGradInput(g.dnorm, a.up, l.up.weight, true)
	m.e.RMSNormGrad(g.dx, dl.postNorm, g.dnorm, a.x1, l.postNorm, m.eps(), carry)
}

// attentionGrad is the gradient of keysValues and attend. On entry g.dx is the
// gradient of a.x1, on return that of a.x.
func (m *Model) attentionGrad(l, dl *layer, a *activations, s *scratch, g *gradients, b *batch, carry bool) {
	dy := m.operand(g.dxA, g.dx)
	m.linearGrad(dl.o, dy, a.attn, b.starts, carry)
	m.e.LinearGradInput(g.dattn, dy, l.o.weight, false)
	dout := m.operand(g.dattnA, g.dattn)
	m.e.AttentionGrad(g.dq, g.dk, g.dv, dout, a.attn, a.stats, a.q, a.k, a.v, b.seqs, m.headShape())

	dq := m.headGrad(g.dqA, g.dq, g.dRawQ, a.rawQ, l.qNorm, dl.qNorm, b, carry)
	dk := m.headGrad(g.dkA, g.dk, g.dRawK, a.rawK, l.kNorm, dl.kNorm, b, carry)
	dv := m.operand(g.dvA, g.dv)

	m.e.RMSNorm(s.norm, a.x, l.inputNorm, m.eps())
	m.linearGrad(dl.q, dq, s.norm, b.starts, carry)
	m.linearGrad(dl.k, dk, s.norm, b.starts, carry)
	m.linearGrad(dl.v, dv, s.norm, b.starts, carry)
	m.e.LinearGradInput(g.dnorm, dq, l.q.weight, false)
	m.e.LinearGradInput(g.dnorm, dk, l.k.weight, true)
	m.e.LinearGradInput(g.dnorm, dv, l.v.weight, true)
	m.e.RMSNormGrad(g.dx, dl.inputNorm, g.dnorm, a.x, l.inputNorm, m.eps(), carry)
}

// headGrad propagates the gradient d of q or k back through the rotary embedding and, if
// there is one, the norm of raw. It overwrites d and returns the result as an operand, in
// buf if that is not nil.
func (m *Model) headGrad(buf, d, dRaw, raw, norm, dNorm kernels.Tensor, b *batch, carry bool) kernels.Tensor {
	turned := d
	if norm == nil && buf != nil {
		turned = buf
	}
	m.e.Rotary(turned, d, m.rotary.cos, m.rotary.sin, b.positions, m.Config.HeadDim, true)
	if norm == nil {
		return turned
	}
	m.e.ScatterRows(dRaw, dRaw.Slice(0, 0), nil) // zero
	m.e.RMSNormGrad(dRaw, dNorm, d, raw, norm, m.eps(), carry)
	return m.operand(buf, dRaw)
}

func (g gradients) rows(n int) gradients {
	return gradients{g.w, rows(g.dx, n), rows(g.dxA, n), rows(g.dnorm, n), rows(g.dprod, n), rows(g.dattn, n), rows(g.dattnA, n),
		rows(g.dq, n), rows(g.dk, n), rows(g.dv, n), rows(g.dRawQ, n), rows(g.dRawK, n), rows(g.dqA, n), rows(g.dkA, n), rows(g.dvA, n)}
}
