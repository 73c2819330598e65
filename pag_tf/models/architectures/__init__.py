"""One file per architecture; the file's name is the name that `pag_tf.models.build` takes."""
