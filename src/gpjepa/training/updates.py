"""What changes the parameters of a stage once their gradients are there: clipping and AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from gpjepa.training.sharding import cut_like, is_cut
from gpjepa.training.stage import Plan

SMALL = 2**14  # numbers of a parameter up to which it lies beside others

Groups = Sequence[Mapping[str, Any]]
State = dict[str, Tensor]  # what AdamW keeps of one parameter


class Updates(Protocol):
    """AdamW on the parameters of a stage; its state is told parameter by parameter."""

    def set_rate(self, share: float) -> None:
        """Set the learning rate of each group to a share of its peak."""
        ...

    def step(self) -> None:
        """Clip the gradients by their norm, change the parameters, and let the gradients go."""
        ...

    def states(self) -> list[State]:
        """Return what is kept of each parameter, in order; nothing before the first step."""
        ...

    def restore(self, states: Sequence[State]) -> None:
        """Go on from what was kept."""
        ...


def updates_of(stage: Any, wrapped: nn.Module, fabric: Fabric, plan: Plan) -> Updates:
    """Return what updates the parameters that a stage hands out, `wrapped` by its strategy."""
    groups = stage.parameter_groups(plan.learning_rate)
    if is_cut(fabric):
        return CutUpdates(groups, plan.weight_decay, plan.clip, wrapped, fabric)
    return PackedUpdates(groups, plan.weight_decay, plan.clip)


class _Pack:
    """The parameters of one group: large ones as they are, small ones in one piece of memory.

    Some seventy small parameters cost ten times as much to handle one by one as their numbers
    cost to read. They stay the parameters they are, in other memory.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        alike = len({(p.dtype, p.device) for p in self.parameters}) == 1
        self.small = [p for p in self.parameters if alike and p.numel() <= SMALL]
        self.large = [p for p in self.parameters if not alike or p.numel() > SMALL]
        self.sizes = [p.numel() for p in self.small]
        numbers = [p.detach().reshape(-1) for p in self.small]
        self.beside = nn.Parameter(torch.cat(numbers) if numbers else torch.zeros(0))
        self.pieces = [*self.large, self.beside] if self.small else self.large
        for own, part in zip(self.small, self._parts(self.beside.detach()), strict=True):
            own.data = part

    def _parts(self, beside: Tensor) -> list[Tensor]:
        """Return numbers that lie as the small parameters do, one tensor for each of them."""
        cut = beside.split(self.sizes) if self.small else ()
        return [part.view(p.shape) for part, p in zip(cut, self.small, strict=True)]

    def gather(self) -> None:
        """Bring gradients of small parameters together; one without has one of zero."""
        if self.small:
            found = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.small]
            self.beside.grad = torch.cat([gradient.reshape(-1) for gradient in found])

    def release(self) -> None:
        """Let the gradients go."""
        for parameter in (*self.parameters, self.beside):
            parameter.grad = None

    def told(self, kept: Mapping[Tensor, State]) -> list[State]:
        """Return what AdamW keeps of each parameter, given what it keeps of the pieces."""
        found = {p: dict(kept.get(p, {})) for p in self.large}
        small: list[State] = [{} for _ in self.small]
        for name, value in kept.get(self.beside, {}).items():
            parts = self._parts(value) if value.dim() else [value.clone() for _ in small]
            for own, part in zip(small, parts, strict=True):
                own[name] = part
        found.update(zip(self.small, small, strict=True))
        return [found[p] for p in self.parameters]

    def kept(self, told: Iterable[State]) -> dict[Tensor, State]:
        """Return what AdamW keeps of the pieces, given what it keeps of each parameter."""
        own = {p: _placed(state, p) for p, state in zip(self.parameters, told, strict=True)}
        found: dict[Tensor, State] = {p: own[p] for p in self.large if own[p]}
        if self.small and own[self.small[0]]:
            found[self.beside] = {
                name: torch.cat([own[p][name].reshape(-1) for p in self.small])
                if value.dim()
                else value
                for name, value in own[self.small[0]].items()
            }
        return found


class PackedUpdates:
    """Clipping and AdamW of parameters that a process has whole."""

    def __init__(self, groups: Groups, weight_decay: float, clip: float) -> None:
        self._packs = [_Pack(group["params"]) for group in groups]
        self._peaks = [float(group["lr"]) for group in groups]
        given = [{"params": pack.pieces} for pack in self._packs]
        self._optimizer = AdamW(given, weight_decay=weight_decay, fused=True)
        self._pieces = [piece for pack in self._packs for piece in pack.pieces]
        self._clip = clip
        self.set_rate(1.0)

    def set_rate(self, share: float) -> None:
        """Set the learning rate of each group to a share of its peak."""
        _set_rates(self._optimizer, self._peaks, share)

    def step(self) -> None:
        """Clip the gradients by their norm, change the parameters, and let the gradients go."""
        for pack in self._packs:
            pack.gather()
        clip_grad_norm_(self._pieces, self._clip)
        self._optimizer.step()
        for pack in self._packs:
            pack.release()

    def states(self) -> list[State]:
        """Return what is kept of each parameter, in order; nothing before the first step."""
        return [state for pack in self._packs for state in pack.told(self._optimizer.state)]

    def restore(self, states: Sequence[State]) -> None:
        """Go on from what was kept."""
        rest = iter(states)
        for pack in self._packs:
            self._optimizer.state.update(pack.kept(islice(rest, len(pack.parameters))))


class CutUpdates:
    """Clipping and AdamW of parameters of which each process has a part (FSDP)."""

    def __init__(
        self, groups: Groups, weight_decay: float, clip: float, wrapped: nn.Module, fabric: Fabric
    ) -> None:
        self._optimizer = AdamW(groups, weight_decay=weight_decay, fused=True)  # type: ignore[arg-type]
        self._peaks = [float(group["lr"]) for group in groups]
        self._wrapped, self._fabric, self._clip = wrapped, fabric, clip
        self._stepper: Any = fabric.setup_optimizers(self._optimizer)

    def set_rate(self, share: float) -> None:
        """Set the learning rate of each group to a share of its peak."""
        _set_rates(self._optimizer, self._peaks, share)

    def step(self) -> None:
        """Clip the gradients by their norm, change the parameters, and let the gradients go."""
        self._fabric.clip_gradients(
            self._wrapped, self._stepper, max_norm=self._clip, error_if_nonfinite=False
        )
        self._stepper.step()
        self._stepper.zero_grad()

    def states(self) -> list[State]:
        """Return what is kept of each parameter, in order; nothing before the first step."""
        return [dict(self._optimizer.state.get(p, {})) for p in self._parameters()]

    def restore(self, states: Sequence[State]) -> None:
        """Go on from what was kept."""
        for parameter, state in zip(self._parameters(), states, strict=True):
            if state:
                self._optimizer.state[parameter] = _placed(state, parameter)

    def _parameters(self) -> list[nn.Parameter]:
        return [p for group in self._optimizer.param_groups for p in group["params"]]


def _set_rates(optimizer: AdamW, peaks: Sequence[float], share: float) -> None:
    for group, peak in zip(optimizer.param_groups, peaks, strict=True):
        group["lr"] = peak * share


def _placed(state: State, parameter: nn.Parameter) -> State:
    """Return a copy of what is kept, beside its parameter; turned if that is since it was saved."""
    found = {}
    for name, value in state.items():
        if value.dim() == 2 and value.shape != parameter.shape == value.shape[::-1]:
            value = value.t()
        own = value.to(parameter.device if value.dim() else "cpu", copy=True)
        found[name] = cut_like(own.contiguous(), parameter)
    return found
