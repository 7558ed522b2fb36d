"""`Session` behind a window of one's own: what is clicked is noted at once, and answered elsewhere.

The annotation needs no network and returns at once, so a window may change it on its own thread.
Answers are made on another one; an answer to what is no longer asked is not shown.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import skimage.data

from napari_gpcis import Session, load_model
from napari_gpcis.engine.click import Click

session = Session(load_model("default"))
session.set_image(skimage.data.coins())
annotation = session.annotation

with ThreadPoolExecutor(max_workers=1) as worker:
    annotation.add(Click.at(193, 212, shape=annotation.shape))
    early = annotation.question(0)
    early_answer = worker.submit(session.answer, early)

    # the window is free meanwhile: another click, before the answer to the first is there
    annotation.add(Click.at(165, 190, positive=False, shape=annotation.shape))
    late = annotation.question(0)
    late_answer = worker.submit(session.answer, late)

    for name, question, answer in (("early", early, early_answer), ("late", late, late_answer)):
        result = answer.result()
        annotation.accept(question, result)  # kept for as long as undo may come back to it
        shown = "shown" if question.state is annotation.state else "not shown"
        print(f"the {name} answer, of {len(result.clicks)} click(s), is {shown}")

label = annotation.commit()
print(f"label {label}: {int((session.labels == label).sum())} px")
