"""A part of the panel that can be folded away."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_gpcis.widget.panel.controls import describe, tight

__all__ = ["Section"]

_NO_LIMIT = (1 << 24) - 1  # QWIDGETSIZE_MAX, which no binding exports


class Section(QCollapsible):
    """A foldable section that takes no room, and no Tab, while it is folded.

    Parameters
    ----------
    title : str
        What stands on the fold.
    body : QWidget
        What is folded away.
    tip : str
        What is in it.
    """

    def __init__(self, title: str, body: QWidget, tip: str) -> None:
        # Drawn icons keep the colour of the theme under which they were made; text follows it.
        blank = QPixmap(1, 1)
        blank.fill(Qt.GlobalColor.transparent)
        super().__init__(title, expandedIcon=QIcon(blank), collapsedIcon=QIcon(blank))
        self._title = title
        button = self.toggleButton()
        button.setIconSize(QSize(0, 0))
        button.setStyleSheet("")  # the panel has one for all folds
        button.setObjectName("gpcisFold")
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        describe(button, title, tip)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 6, 0, 2)
        layout.addWidget(body)
        self._drop_content()
        self.setContent(content)
        if (own := self.layout()) is not None:
            tight(own, spacing=0)
        self.setDuration(0)
        self.toggled.connect(self._settle)
        self.collapse(animate=False)

    def set_title(self, title: str) -> None:
        """Change what stands on the fold."""
        self._title = title
        self.toggleButton().setAccessibleName(title)
        self.setText(f"{'▾' if self.isExpanded() else '▸'}  {title}")

    def _drop_content(self) -> None:
        """Superqt makes a content of its own, and leaves it in the layout when it gets another."""
        first = self.content()
        if (own := self.layout()) is not None:
            own.removeWidget(first)
        first.deleteLater()

    def _settle(self, expanded: bool) -> None:
        self.content().setVisible(expanded)
        # Its own bound is the height at the time of unfolding; what is inside may grow.
        self.content().setMaximumHeight(_NO_LIMIT if expanded else 0)
        self.set_title(self._title)
