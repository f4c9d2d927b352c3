"""Clipped sums by Opacus and plain sums by torch, timed on request: JSON lines on standard input and output.

One thread; networks are built from their descriptions, with the parameters and images that are sent.
"""

import base64
import json
import math
import sys
import time
import warnings

import numpy as np
import torch
from opacus.grad_sample import GradSampleModule, register_grad_sampler
from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import (
    GradSampleModuleFastGradientClipping,
)
from opacus.optimizers import DPOptimizer
from opacus.optimizers.optimizer_fast_gradient_clipping import DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping
from opacus.utils.tensor_utils import unfold2d
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
torch.set_num_interop_threads(1)

LEAST_SQUARES = 1e-4


class StandardisedConv2d(nn.Module):
    """A convolution whose filter is used standardised and multiplied by a gain; images are padded before."""

    def __init__(self, inputs, outputs, kernel_size, stride):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel_size, kernel_size))
        self.gain = nn.Parameter(torch.empty(outputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.stride = stride

    def standardised(self):
        centred = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        squares = centred.square().sum(dim=(1, 2, 3), keepdim=True)
        factor = squares.clamp(min=LEAST_SQUARES).rsqrt()
        return centred * factor, factor.flatten(), (squares > LEAST_SQUARES).float().flatten()

    def forward(self, x):
        return F.conv2d(x, self.standardised()[0] * self.gain[:, None, None, None], self.bias, self.stride)


@register_grad_sampler(StandardisedConv2d)
def standardised_grad_sample(layer, activations, backprops):
    """Opacus's own sampler for Conv2d, then each example's gradient taken from the filter to its weights and gain."""
    size = layer.weight.shape[-1]
    columns = unfold2d(
        activations[0],
        kernel_size=(size, size),
        padding=(0, 0),
        stride=(layer.stride, layer.stride),
        dilation=(1, 1),
    )
    dy = backprops.reshape(backprops.shape[0], backprops.shape[1], -1)
    rows = torch.einsum("noq,npq->nop", dy, columns)
    with torch.no_grad():
        unit, factor, projected = layer.standardised()
    unit = unit.flatten(1)
    along = torch.einsum("nop,op->no", rows, unit)
    rows = rows - rows.mean(dim=2, keepdim=True) - (along * projected)[:, :, None] * unit
    rows = rows * (factor * layer.gain.detach())[:, None]
    return {
        layer.weight: rows.reshape(-1, *layer.weight.shape),
        layer.gain: along,
        layer.bias: dy.sum(dim=2),
    }


class Residual(nn.Module):
    def __init__(self, body, shortcut):
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


class Builder:
    """Layers by description, and each parameter with its way from and to the sender's order of axes."""

    def __init__(self):
        self.parameters = []

    def own(self, parameter, order=None, shape=None):
        """order: the sender's axes in torch's order; shape: the sender's, where an axis stands for several."""
        self.parameters.append((parameter, order, shape))

    def chain(self, layers, shape):
        modules = []
        for layer in layers:
            made, shape = getattr(self, layer["kind"].replace("-", "_"))(layer, shape)
            modules.extend(made)
        return nn.Sequential(*modules), shape

    def conv2d(self, layer, shape):
        channels, *image = shape[:3]
        size, stride, filters = layer["kernelSize"], layer.get("stride", 1), layer["filters"]
        padding = layer.get("padding", 0)
        if padding == "same":
            whole = [max(0, (math.ceil(side / stride) - 1) * stride + size - side) for side in image]
            sides = [(each // 2, each - each // 2) for each in whole]
        else:
            sides = [(padding, padding)] * 2
        out = [(side + sum(pad) - size) // stride + 1 for side, pad in zip(image, sides)]
        even = all(before == after for before, after in sides)
        if layer.get("weightStandardised"):
            conv, apart = StandardisedConv2d(channels, filters, size, stride), sum(map(sum, sides)) > 0
        else:
            inside = tuple(before for before, _ in sides) if even else 0
            conv, apart = nn.Conv2d(channels, filters, size, stride, inside), not even
        self.own(conv.weight, (3, 2, 0, 1))
        if layer.get("weightStandardised"):
            self.own(conv.gain)
        self.own(conv.bias)
        pad = [nn.ZeroPad2d((*sides[1], *sides[0]))] if apart else []
        return [*pad, conv], [filters, *out]

    def dense(self, layer, shape):
        dense = nn.Linear(math.prod(shape[:1]), layer["units"])
        # After a flatten the sender's inputs are [height, width, channels], torch's [channels, height, width].
        image = shape[1] if len(shape) == 2 else None
        if image:
            channels, height, width = image
            self.own(dense.weight, (3, 2, 0, 1), (height, width, channels, layer["units"]))
        else:
            self.own(dense.weight, (1, 0))
        self.own(dense.bias)
        return [dense], [layer["units"]]

    def group_norm(self, layer, shape):
        norm = nn.GroupNorm(layer["groups"], shape[0], eps=layer.get("epsilon", 1e-5))
        self.own(norm.weight)
        self.own(norm.bias)
        return [norm], shape

    def residual(self, layer, shape):
        body, out = self.chain(layer["body"], shape)
        shortcut = self.chain(layer["shortcut"], shape)[0] if "shortcut" in layer else nn.Identity()
        return [Residual(body, shortcut)], out

    def max_pool(self, layer, shape):
        size, stride = layer["size"], layer["stride"]
        out = [(side - size) // stride + 1 for side in shape[1:]]
        return [nn.MaxPool2d(size, stride)], [shape[0], *out]

    def global_average_pool(self, layer, shape):
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten()], [shape[0]]

    def flatten(self, layer, shape):
        return [nn.Flatten()], [math.prod(shape), shape]

    def tanh(self, layer, shape):
        return [nn.Tanh()], shape

    def relu(self, layer, shape):
        return [nn.ReLU()], shape


def floats(text):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), dtype=np.float32).copy())


class Plain:
    """Forward and backward of the summed loss: no privacy."""

    def __init__(self, model, clip):
        self.model = model

    def start(self):
        for p in self.model.parameters():
            p.grad = None

    def add(self, images, labels):
        F.cross_entropy(self.model(images), labels, reduction="sum").backward()

    def sums(self):
        return {id(p): p.grad for p in self.model.parameters()}


class Hooks:
    """GradSampleModule and DPOptimizer: per-example gradients of every layer, clipped and added up."""

    def __init__(self, model, clip):
        self.model = GradSampleModule(model, loss_reduction="sum")
        self.optimizer = DPOptimizer(
            torch.optim.SGD(self.model.parameters(), lr=1),
            noise_multiplier=0.0,
            max_grad_norm=clip,
            expected_batch_size=1,
            loss_reduction="sum",
        )

    def start(self):
        for p in self.optimizer.params:
            p.summed_grad = None

    def add(self, images, labels):
        F.cross_entropy(self.model(images), labels, reduction="sum").backward()
        self.optimizer.clip_and_accumulate()
        for p in self.optimizer.params:
            p.grad_sample = None
            p.grad = None

    def sums(self):
        return {id(p): p.summed_grad for p in self.optimizer.params}


class Ghost:
    """Norms first, by Gram matrices where Opacus has them; the clipped sum by a second backward pass."""

    def __init__(self, model, clip):
        self.model = GradSampleModuleFastGradientClipping(model, loss_reduction="sum", max_grad_norm=clip)
        self.optimizer = DPOptimizerFastGradientClipping(
            torch.optim.SGD(self.model.parameters(), lr=1),
            noise_multiplier=0.0,
            max_grad_norm=clip,
            expected_batch_size=1,
            loss_reduction="sum",
        )
        self.optimizer._is_last_step_skipped = True  # as between the parts of a batch: keeps the sum
        self.loss = DPLossFastGradientClipping(
            self.model, self.optimizer, nn.CrossEntropyLoss(reduction="sum"), loss_reduction="sum"
        )

    def start(self):
        for p in self.optimizer.params:
            p.summed_grad = None

    def add(self, images, labels):
        self.loss(self.model(images), labels).backward()
        self.optimizer.accumulate()
        self.optimizer.zero_grad(set_to_none=True)

    def sums(self):
        return {id(p): p.summed_grad for p in self.optimizer.params}


CONTENDERS = {"plain": Plain, "hooks": Hooks, "ghost": Ghost}


class Session:
    """One network, one batch, every contender with a model of its own in either layout of memory."""

    def __init__(self, request):
        self.request = request
        height, width, channels = request["network"]["inputShape"]
        flat = floats(request["images"])
        images = flat.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
        # Cloned: images of one channel would pass for channels last, which Opacus reads wrongly.
        self.images = images.clone(memory_format=torch.contiguous_format)
        self.labels = torch.tensor(request["labels"])
        self.made = {}

    def contender(self, name, channels_last):
        key = (name, channels_last)
        if key not in self.made:
            network = self.request["network"]
            height, width, channels = network["inputShape"]
            builder = Builder()
            model, _ = builder.chain(network["layers"], [channels, height, width])
            layout = torch.channels_last if channels_last else torch.contiguous_format
            with torch.no_grad():
                for (parameter, order, shape), sent in zip(
                    builder.parameters, self.request["parameters"], strict=True
                ):
                    values = floats(sent["values"]).reshape(shape or sent["shape"])
                    values = values.permute(order) if order else values
                    parameter.copy_(values.reshape(parameter.shape))
            model = model.to(memory_format=layout).train()
            images = self.images.clone(memory_format=layout)
            self.made[key] = (CONTENDERS[name](model, self.request["clip"]), builder, images)
        return self.made[key]

    def run(self, name, micro_batch, channels_last, examples):
        """One sum over the first `examples`; processor seconds of this process."""
        contender, _, images = self.contender(name, channels_last)
        before = time.process_time()
        contender.start()
        for start in range(0, examples, micro_batch):
            end = min(examples, start + micro_batch)
            contender.add(images[start:end], self.labels[start:end])
        return time.process_time() - before

    def sum(self, name, micro_batch):
        """The sum of the whole batch, each parameter in the sender's order of axes."""
        self.run(name, micro_batch, False, len(self.labels))
        contender, builder, _ = self.contender(name, False)
        sums = contender.sums()
        result = []
        for parameter, order, shape in builder.parameters:
            values = sums[id(parameter)].detach()
            if order:
                if shape:
                    values = values.reshape([shape[axis] for axis in order])
                values = values.permute(list(np.argsort(order)))
            data = values.contiguous().numpy().astype(np.float32).tobytes()
            result.append(base64.b64encode(data).decode())
        return result


def main():
    import opacus

    session = None
    for line in sys.stdin:
        request = json.loads(line)
        kind = request["kind"]
        if kind == "versions":
            answer = dict(
                python=sys.version.split()[0],
                torch=torch.__version__,
                opacus=opacus.__version__,
                capability=torch.backends.cpu.get_cpu_capability(),
            )
        elif kind == "network":
            session = Session(request)
            builder = session.contender("plain", False)[1]
            answer = dict(parameters=sum(p.numel() for p, _, _ in builder.parameters))
        elif kind == "time":
            answer = dict(
                seconds=session.run(
                    request["contender"], request["microBatch"], request["channelsLast"], request["examples"]
                )
            )
        elif kind == "sum":
            answer = dict(sums=session.sum(request["contender"], request["microBatch"]))
        else:
            raise ValueError(f"unknown request {kind}")
        print(json.dumps(answer), flush=True)


main()
