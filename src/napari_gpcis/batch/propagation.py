def propagated_pages(run, slices, work):
    raise NotImplementedError
