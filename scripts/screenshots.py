"""Screenshots of the widget in each of its states, for the README: `make screenshots`.

Needs a display (scripts/on-display.sh brings a virtual one). Nothing here is staged: each picture
shows what the clicks before it did.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import PIL.Image

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZE = (1280, 800)
COLOURS = 256
ANIMATION_WIDTH = 800
ANIMATION_COLOURS = 64
SECONDS = 60.0


class Stage:
    """A napari window with the panel, and a camera.

    Parameters
    ----------
    theme : {"dark", "light"}
    """

    def __init__(self, theme: str = "dark") -> None:
        import napari

        from napari_gpcis.widget.panel import GPCISPanel

        self.viewer = napari.Viewer(show=True)
        self.viewer.theme = theme
        self.viewer.window._qt_window.resize(*SIZE)
        self.panel = GPCISPanel(self.viewer)
        self.panel.click.guide.dismiss()
        self.viewer.window.add_dock_widget(self.panel, name="Click to mask", area="right")
        self.tool: Any = self.panel.tool

    def show(self, image: Any, **arguments: Any) -> None:
        """Open an image and wait for the model."""
        self.viewer.add_image(image, **arguments)
        self.wait(lambda: self.tool.model.is_loaded and self.tool.idle)
        self.viewer.reset_view()

    def click(self, *place: float, positive: bool = True) -> None:
        """Click on a pixel, and wait for the answer."""
        image = self.viewer.layers[self.tool.switcher.image_name]
        self.tool.mouse.click(tuple(image.data_to_world(place)), positive)
        self.wait(lambda: self.tool.idle and self.tool.status.level != "busy")

    def wait(self, until: Callable[[], bool]) -> None:
        """Let the window work until something is true, and a moment longer."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + SECONDS
        calm = 0
        while calm < 10:
            QApplication.processEvents()
            time.sleep(0.02)
            calm = calm + 1 if until() else 0
            if time.monotonic() > end:
                raise TimeoutError(f"the tool did not come to rest: {self.tool.status}")

    def shoot(self, name: str) -> None:
        """Save the window as it is, in few colours: pictures in a repository should be small."""
        from PIL import Image

        self.wait(lambda: True)
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        picture = Image.fromarray(pixels).convert("RGB").quantize(COLOURS)
        picture.save(OUTPUT / f"{name}.png", optimize=True)
        print(f"docs/images/{name}.png")

    def frame(self) -> PIL.Image.Image:
        """The window as it is, for an animation."""
        from PIL import Image

        self.wait(lambda: True)
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        picture = Image.fromarray(pixels).convert("RGB")
        width = ANIMATION_WIDTH
        return picture.resize((width, round(width * picture.height / picture.width)))

    def close(self) -> None:
        """Close the window."""
        self.tool.close()
        self.viewer.close()


def objects() -> None:
    """A coin: clicked, corrected, committed; the maps; the help sheet."""
    import skimage.data

    from napari_gpcis.widget.panel.help_sheet import HelpSheet

    stage = Stage()
    tool = stage.tool
    stage.show(skimage.data.coins(), name="coins")
    stage.click(193, 212)
    stage.shoot("click")
    stage.click(176, 190, positive=False)
    stage.shoot("correction")
    for row, col in ((193, 212), (186, 347), (120, 144), (120, 200)):
        if tool.click_counts == (0, 0):
            stage.click(row, col)
        tool.commit()
        stage.wait(lambda: tool.idle)
    stage.click(119, 260)
    stage.shoot("commit")
    for name in ("probability", "uncertainty"):
        tool.set_overlay(name, True)
        stage.wait(lambda: tool.idle)
        stage.shoot(name)
        tool.set_overlay(name, False)
    stage.panel.show_help()
    stage.wait(lambda: True)
    sheet = stage.panel.findChild(HelpSheet)
    sheet.grab().save(str(OUTPUT / "help.png"))
    stage.close()


def animation() -> None:
    """Coins, clicked one after the other: the README's first picture."""
    import PIL.Image
    import skimage.data

    stage = Stage()
    tool = stage.tool
    stage.show(skimage.data.coins(), name="coins")
    frames = [stage.frame()]

    def step(action: Callable[[], object]) -> None:
        action()
        stage.wait(lambda: tool.idle)
        frames.append(stage.frame())

    step(lambda: stage.click(193, 212))
    step(lambda: stage.click(176, 190, positive=False))
    step(tool.commit)
    for row, col in ((186, 347), (120, 144), (120, 200), (119, 260)):
        step(lambda row=row, col=col: stage.click(row, col))  # type: ignore[misc]
        step(tool.commit)
    small = [frame.quantize(ANIMATION_COLOURS, dither=PIL.Image.Dither.NONE) for frame in frames]
    small[0].save(
        OUTPUT / "clicks.gif",
        save_all=True,
        append_images=small[1:],
        duration=[1500] + [900] * (len(small) - 2) + [2500],
        loop=0,
        optimize=True,
    )
    print("docs/images/clicks.gif")
    stage.close()


def strokes() -> None:
    """A scribble while it is drawn; a box and its mask."""
    import skimage.data

    from napari_gpcis.widget.tool.types import Drag

    stage = Stage()
    tool = stage.tool
    stage.show(skimage.data.coins(), name="Greek coins")
    tool.draw_scribbles()
    scribble = ((193.0, 200.0), (190.0, 215.0), (203.0, 222.0))
    tool.mouse.drag(Drag("scribble", scribble))
    stage.wait(lambda: bool(stage.viewer.layers["GPCIS preview"].data.any()))
    stage.shoot("scribble")
    tool.mouse.draw(Drag("scribble", scribble))
    stage.wait(lambda: tool.idle)
    tool.commit()
    tool.draw_boxes()
    tool.mouse.draw(Drag("box", ((172.0, 250.0), (216.0, 297.0))))
    stage.wait(lambda: tool.idle)
    stage.shoot("box")
    stage.close()


def restored() -> None:
    """The offer after the window was closed with work in it (the coins, above)."""
    import skimage.data

    stage = Stage("light")
    stage.show(skimage.data.coins(), name="coins")
    stage.shoot("restore")
    stage.tool.earlier_work.restore()
    stage.wait(lambda: stage.tool.idle)
    stage.shoot("restored")
    stage.close()


def proposing() -> None:
    """Coins like the one that was committed."""
    import skimage.data

    stage = Stage()
    tool = stage.tool
    stage.show(skimage.data.coins(), name="coins")
    stage.click(193, 212)
    tool.commit()
    stage.wait(lambda: tool.idle)
    tool.propose()
    stage.wait(lambda: tool.idle)
    stage.shoot("proposals")
    stage.close()


def stack() -> None:
    """A nucleus carried through a stack."""
    from napari_gpcis.widget.contributions.samples import nuclei

    stage = Stage()
    (image, meta, _), *_ = nuclei()
    stage.show(image, **meta)
    z = image.shape[0] // 2
    stage.viewer.dims.set_current_step(0, z)
    page = image[z].astype(float)
    row, col = divmod(int(page.argmax()), page.shape[1])
    stage.click(z, row, col)
    stage.tool.propagate("both")
    stage.wait(lambda: stage.tool.idle and not stage.tool.can_cancel)
    stage.viewer.dims.set_current_step(0, z + 2)
    stage.shoot("propagation")
    stage.close()


def classes() -> None:
    """Stained and unstained tissue."""
    import skimage.data

    stage = Stage()
    tool = stage.tool
    stage.show(skimage.data.immunohistochemistry(), name="immunohistochemistry")
    tool.set_mode("class")
    stage.wait(lambda: tool.idle)
    tool.classes.add()
    wanted = {
        "Epithelium": ((60, 60), (440, 330), (130, 250), (71, 343), (398, 343), (357, 57)),
        "Connective tissue": ((260, 150), (60, 260), (400, 120), (490, 200)),
        "Lumen": ((125, 358), (20, 480)),
    }
    for number, (name, places) in enumerate(wanted.items(), 1):
        tool.classes.rename(number, name)
        tool.classes.choose(number)
        for row, col in places:
            stage.click(row, col)
    stage.shoot("classes")
    stage.close()


def fine_tuning() -> None:
    """The other tab."""
    import skimage.data

    stage = Stage("light")
    stage.show(skimage.data.cell(), name="cell")
    stage.panel.tabs.setCurrentIndex(1)
    stage.shoot("fine_tune")
    stage.close()


def main() -> None:
    """Take them all, or the scenes that are named; in a user folder that holds no journal yet."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder
        os.environ["NAPARI_CONFIG"] = ""
        scenes = (
            animation,
            objects,
            restored,
            strokes,
            proposing,
            stack,
            classes,
            fine_tuning,
        )
        for scene in scenes:
            if len(sys.argv) < 2 or scene.__name__ in sys.argv[1:]:
                scene()


if __name__ == "__main__":
    main()
