"""What of the Azure ML SDK the portal does not have, and what to use in its place: packages and modules, and classes by name."""

_SEARCH = "submit one run for each set of arguments, or search in the script (scikit-learn's GridSearchCV)"
_AUTOML = "train with scikit-learn in a script, such as with its GridSearchCV, and submit it by ScriptRunConfig"
_ESTIMATOR = "use azureml.core.ScriptRunConfig with an Environment"
_PIPELINE = "submit the steps one after the other with Experiment.submit, waiting for each"
_EXPLAIN = "call the explaining package itself in the script, and log or upload what it says"
_SPARK = "a run is one Python process: pandas and scikit-learn do there what fits into one machine"
_INPUT = "give the run a dataset, as in Dataset.File.from_files(…).as_named_input(name).as_mount()"
_TARGET = "use AmlCompute or a target of the workspace's page: the portal's workers are its machines"
_IMAGES = "the portal makes no images: use azureml.core.Environment"
_ON_PAGES = "use the portal's pages or its JSON API (/api/docs/)"
_OUTPUT = "write to ./outputs, which the portal keeps with the run"
_SERVICE = "AciWebservice.deploy_configuration(cpu_cores=…, memory_gb=…) is what a service can be given"
_STORE = "a workspace has one datastore, which the portal keeps: bring the files there with datastore.upload_files"
MODULES = {
    "azureml.automl": _AUTOML,
    "azureml.contrib": "the portal has none of the previews",
    "azureml.core.compute.adla": _TARGET,
    "azureml.core.compute.batch": _TARGET,
    "azureml.core.compute.datafactory": _TARGET,
    "azureml.core.compute.dsvm": _TARGET,
    "azureml.core.compute.kubernetescompute": _TARGET,
    "azureml.core.compute.kusto": _TARGET,
    "azureml.core.compute.synapse": _SPARK,
    "azureml.core.databricks": _SPARK,
    "azureml.core.image": "use azureml.core.Environment and Model.deploy: the portal makes no images",
    "azureml.core.linked_service": _ON_PAGES,
    "azureml.core.private_endpoint": _ON_PAGES,
    "azureml.core.profile": "send the service requests and look at its page: it shows how long each took",
    "azureml.core.util": _ON_PAGES,
    "azureml.core.webservice.container_resource_requirements": _SERVICE,
    "azureml.core.webservice.unknown_webservice": _SERVICE,
    "azureml.data.azure_data_lake_datastore": _STORE,
    "azureml.data.azure_my_sql_datastore": _STORE,
    "azureml.data.azure_postgre_sql_datastore": _STORE,
    "azureml.data.azure_sql_database_datastore": _STORE,
    "azureml.data.datacache": _STORE,
    "azureml.data.dataset_profile": "use to_pandas_dataframe().describe()",
    "azureml.data.dbfs_datastore": _STORE,
    "azureml.data.hdfs_datastore": _STORE,
    "azureml.data.sql_data_reference": _STORE,
    "azureml.data.stored_procedure_parameter": _STORE,
    "azureml.datadrift": "compare the data in a script of your own",
    "azureml.dataprep": "use azureml.core.Dataset, or pandas in the script",
    "azureml.explain": _EXPLAIN,
    "azureml.history": "use Experiment.get_runs and Run.get_metrics",
    "azureml.interpret": _EXPLAIN,
    "azureml.monitoring": "the page of a service shows its requests",
    "azureml.opendatasets": "download the data and use Dataset.File.from_files or Dataset.Tabular.from_delimited_files",
    "azureml.pipeline": _PIPELINE,
    "azureml.responsibleai": _EXPLAIN,
    "azureml.studio": _PIPELINE,
    "azureml.tensorboard": "the run's page draws its metrics; write event files to outputs/ and open them with tensorboard",
    "azureml.train": _ESTIMATOR,
    "azureml.train.automl": _AUTOML,
    "azureml.train.hyperdrive": _SEARCH,
}


_NAMES = {
    _TARGET: """
        AbstractComputeTarget AdlaCompute AmlComputeConfiguration AmlComputeNodeStateCounts BatchCompute
        ComputeTargetAttachConfiguration ComputeTargetProvisioningConfiguration ComputeTargetUpdateConfiguration
        DataFactoryCompute DatabricksCompute DsvmCompute HDInsightCompute HdiConfiguration KubernetesCompute
        KubernetesComputeConfiguration KustoCompute LocalTarget RemoteCompute attach_legacy_compute_target
        is_compute_target_prepared prepare_compute_target remove_legacy_compute_target
    """,
    _INPUT: """
        Data DataLocation DataPathComputeBinding DataReferenceConfiguration InputDatasets Uri
    """,
    _OUTPUT: """
        DatacacheConfiguration DatacacheStore DatasetRegistrationOptions GlobsOptions HDFSOutputDatasetConfig
        LinkFileOutputDatasetConfig LinkOutput LinkTabularOutputDatasetConfig MountOptions OutputData
        OutputDatasetConfig OutputDatasets OutputOptions OutputTabularDatasetConfig RegistrationConfiguration
        RegistrationOptions TransformationMixin UploadOptions
    """,
    _IMAGES: """
        AzureContainerRegistry DockerBuildContext DockerEnvironment DockerImageDetails DockerImagePlatform
        ImageBuildDetails ModelPackage RegistryIdentity
    """,
    _SERVICE: """
        AksEndpointDeploymentConfiguration AksServiceAccessToken AutoScaler ContainerResourceRequirements
        DataCollection EncryptionProperties LivenessProbeRequirements UnknownWebservice VnetConfiguration
        WebServiceAccessToken WebserviceDeploymentConfiguration
    """,
    _SPARK: """
        ParallelTaskConfiguration RCranPackage RGitHubPackage RSection SparkConfiguration SparkEnvironment
        SparkPackage SynapseCompute SynapseWorkspaceLinkedServiceConfiguration
    """,
    _ON_PAGES: """
        ApplicationEndpointConfiguration diagnostic_log
    """,
}
CLASSES = {name: advice for advice, names in _NAMES.items() for name in names.split()}
CLASSES.update(
    ArmTokenAuthentication="a token of the portal counts: mlportal login, or MLPORTAL_TOKEN",
    AzureMLTokenAuthentication="a run has a token of its own, and Run.get_context() uses it",
    EnvironmentReference="use Environment.get(workspace, name)",
    FileType="from_files and from_delimited_files take any file",
    HistogramCompareMethod="compare the data in a script of your own",
    HistoryConfiguration="the portal keeps every run's files and logs",
    PythonEnvironment="use environment.python.conda_dependencies",
    ScaleSettings="max_nodes of AmlCompute.provisioning_configuration is how many runs a target executes at a time",
    SkipLinesBehavior="to_pandas_dataframe() gives the lines; drop those that are not wanted",
)
