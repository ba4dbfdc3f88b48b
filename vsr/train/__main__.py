"""python -m vsr.train RECIPE.toml --data FOLDER --out FOLDER"""

import argparse
import tomllib
from pathlib import Path

from vsr.train.loop import Recipe, train
from vsr.train.ship import ship


def main() -> None:
    parser = argparse.ArgumentParser("python -m vsr.train", description="Train a network.")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder the recipe's names are in")
    parser.add_argument(
        "--out", type=Path, required=True, help="for checkpoint, metrics, network and card"
    )
    words = parser.parse_args()
    recipe = Recipe(**tomllib.loads(words.recipe.read_text()))
    net = train(recipe, words.data, words.out)
    card = ship(net.collapsed(), recipe, words.data, words.out)
    print(f"{words.out / recipe.name}.onnx: {card.quality}")


if __name__ == "__main__":
    main()
