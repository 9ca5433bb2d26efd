from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Names carry a hash of the content, and the `import`s of our ES modules follow them there."""

    support_js_module_import_aggregation = True
