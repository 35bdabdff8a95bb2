"""Formulas of the networks, in the operations that every graph format has."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from upscaler.model.architecture import Architecture, Array, Block, Layer, Weights

Node = TypeVar("Node")


class Graph(Protocol[Node]):
    """Builder of a graph; each method adds an operation on planes CHW and returns its output."""

    def convolution(self, x: Node, layer: Layer) -> Node:
        """Add a 3x3 convolution without padding and, if the layer has a slope, a PReLU."""

    def affine(self, x: Node, gain: Array, offset: Array) -> Node:
        """Multiply by a gain and add an offset for each channel."""

    def crop(self, x: Node, margin: int) -> Node:
        """Remove `margin` pixels on each side."""

    def add(self, a: Node, b: Node) -> Node:
        """Add two outputs of the same shape."""

    def multiply(self, a: Node, b: Node) -> Node:
        """Multiply two outputs of the same shape."""


def add_network(graph: Graph[Node], picture: Node, architecture: Architecture, weights: Weights, number: int) -> Node:
    """Add network `number` of several; return its residual, 12(H - 2r)(W - 2r), for a picture 3HW."""
    parts = architecture.parts(weights, number)
    x = head = graph.convolution(picture, parts.head)
    for layers in parts.blocks:
        x = BLOCKS[architecture.block](graph, x, layers)
    if architecture.long_skip:
        x = graph.add(x, graph.crop(head, architecture.trunk_radius))
    return graph.convolution(x, parts.tail)


def plain(graph: Graph[Node], x: Node, layers: Sequence[Layer]) -> Node:
    """Add convolutions in a row."""
    for layer in layers:
        x = graph.convolution(x, layer)
    return x


def residual(graph: Graph[Node], x: Node, layers: Sequence[Layer]) -> Node:
    """Add convolutions in a row and a skip over them."""
    return graph.add(graph.crop(x, len(layers)), plain(graph, x, layers))


def gated(graph: Graph[Node], x: Node, layers: Sequence[Layer]) -> Node:
    """Add convolutions in a row, a skip over them, and a product with a linear gate."""
    z = plain(graph, x, layers)
    gate = graph.affine(z, *layers[-1].gate)
    return graph.multiply(graph.add(graph.crop(x, len(layers)), z), gate)


BLOCKS: dict[Block, Callable[[Graph[Any], Any, Sequence[Layer]], Any]] = {
    "plain": plain,
    "residual": residual,
    "gated": gated,
    "gated4": gated,
}
