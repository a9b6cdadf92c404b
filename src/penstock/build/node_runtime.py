"""Which modules a Node.js version brings along, and what of the AWS SDK Lambda's runtimes add, as far as that is known.

Sources: `module.builtinModules`, https://nodejs.org/api/modules.html, "Built-in modules with mandatory `node:` prefix",
and the "Added in" of each module's page.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUILT_IN_LISTED = """
    _http_agent _http_client _http_common _http_incoming _http_outgoing _http_server _stream_duplex _stream_passthrough
    _stream_readable _stream_transform _stream_wrap _stream_writable _tls_common _tls_wrap assert assert/strict
    async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns dns/promises domain
    events fs fs/promises http http2 https inspector module net os path path/posix path/win32 perf_hooks process
    punycode querystring readline readline/promises repl stream stream/consumers stream/promises stream/web
    string_decoder sys test test/reporters timers timers/promises tls trace_events tty url util util/types v8 vm wasi
    worker_threads zlib
"""
_BUILT_IN = frozenset(_BUILT_IN_LISTED.split())
"""What Node.js 18 has, the oldest that Lambda runs, in its last release."""
_ADDED: Mapping[str, int] = MappingProxyType({"inspector/promises": 19, "sea": 20, "sqlite": 22})
"""In which version each further one came, be it behind a flag, or in a later release of it."""
_FINISHED = 20
"""The newest version that gets no further modules, as its last release is out. Of others no list is for ever."""

_CLIENTS_LISTED = """
    accessanalyzer account account-access acm acm-pca agent-registry agent-registry-control aiops amp amplify
    amplifybackend amplifyuibuilder api-gateway apigatewaymanagementapi apigatewayv2 app-mesh appconfig
    appconfigdata appfabric appflow appintegrations application-auto-scaling application-discovery-service
    application-insights application-signals applicationcostprofiler apprunner appstream appsync arc-region-switch
    arc-zonal-shift artifact athena auditmanager auto-scaling auto-scaling-plans b2bi backup backup-gateway
    backupsearch batch bcm-dashboards bcm-data-exports bcm-pricing-calculator bcm-recommended-actions bedrock
    bedrock-agent bedrock-agent-runtime bedrock-agentcore bedrock-agentcore-control bedrock-data-automation
    bedrock-data-automation-runtime bedrock-runtime billing billingconductor braket budgets chatbot chime
    chime-sdk-identity chime-sdk-media-pipelines chime-sdk-meetings chime-sdk-messaging chime-sdk-voice cleanrooms
    cleanroomsml cloud9 cloudcontrol clouddirectory cloudformation cloudfront cloudfront-keyvaluestore cloudhsm
    cloudhsm-v2 cloudsearch cloudsearch-domain cloudtrail cloudtrail-data cloudwatch cloudwatch-events
    cloudwatch-logs cloudwatchomni codeartifact codebuild codecatalyst codecommit codeconnections codedeploy
    codeguru-reviewer codeguru-security codeguruprofiler codepipeline codestar codestar-connections
    codestar-notifications cognito-identity cognito-identity-provider cognito-sync comprehend comprehendmedical
    compute-optimizer compute-optimizer-automation config-service connect connect-contact-lens connectcampaigns
    connectcampaignsv2 connectcases connecthealth connectparticipant controlcatalog controltower
    cost-and-usage-report-service cost-explorer cost-optimization-hub customer-profiles data-pipeline
    database-migration-service databrew dataexchange datasync datazone dax deadline detective device-farm
    devops-agent devops-guru direct-connect directory-service directory-service-data dlm docdb docdb-elastic drs
    dsql dynamodb dynamodb-streams ebs ec2 ec2-instance-connect ecr ecr-public ecs efs eks eks-auth
    elastic-beanstalk elastic-inference elastic-load-balancing elastic-load-balancing-v2 elastic-transcoder
    elasticache elasticsearch-service elementalinference emr emr-containers emr-serverless entityresolution
    eventbridge eventbridgev2 evidently evs finspace finspace-data firehose fis fms forecast forecastquery
    frauddetector freetier fsx gamelift gameliftstreams geo-maps geo-places geo-routes glacier global-accelerator
    glue grafana greengrass greengrassv2 groundstation guardduty health healthlake iam iam-toolbox identitystore
    imagebuilder importexport inspector inspector-scan inspector2 interconnect internetmonitor invoicing iot
    iot-1click-projects iot-data-plane iot-events iot-events-data iot-jobs-data-plane iot-managed-integrations
    iot-wireless iotanalytics iotdeviceadvisor iotfleethub iotfleetwise iotsecuretunneling iotsitewise
    iotthingsgraph iottwinmaker ivs ivs-realtime ivschat kafka kafkaconnect kendra kendra-ranking keyspaces
    keyspacesstreams kinesis kinesis-analytics kinesis-analytics-v2 kinesis-video kinesis-video-archived-media
    kinesis-video-media kinesis-video-signaling kinesis-video-webrtc-storage kms lakeformation lambda lambda-core
    lambda-microvms launch-wizard lex-model-building-service lex-models-v2 lex-runtime-service lex-runtime-v2
    license-manager license-manager-linux-subscriptions license-manager-user-subscriptions lightsail location
    lookoutequipment lookoutmetrics lookoutvision m2 machine-learning macie macie2 mailmanager managedblockchain
    managedblockchain-query marketplace-agreement marketplace-catalog marketplace-commerce-analytics
    marketplace-deployment marketplace-discovery marketplace-entitlement-service marketplace-metering
    marketplace-reporting mediaconnect mediaconvert medialive mediapackage mediapackage-vod mediapackagev2
    mediastore mediastore-data mediatailor medical-imaging memorydb mgn migration-hub migration-hub-refactor-spaces
    migrationhub-config migrationhuborchestrator migrationhubstrategy mpa mq mturk mwaa mwaa-serverless neptune
    neptune-graph neptunedata network-firewall network-security-manager networkflowmonitor networkmanager
    networkmonitor notifications notificationscontacts nova-act oam observabilityadmin odb omics opensearch
    opensearchserverless opsworks opsworkscm organizations osis outposts panorama partnercentral-account
    partnercentral-benefits partnercentral-channel partnercentral-revenue-measurement partnercentral-selling
    payment-cryptography payment-cryptography-data pca-connector-ad pca-connector-scep pcs personalize
    personalize-events personalize-runtime pi pinpoint pinpoint-email pinpoint-sms-voice pinpoint-sms-voice-v2 pipes
    polly pricing pricing-plan-manager proton qapps qbusiness qconnect qldb qldb-session quicksight ram rbin rds
    rds-data redshift redshift-data redshift-serverless rekognition rekognitionstreaming repostspace resiliencehub
    resiliencehubv2 resource-explorer-2 resource-groups resource-groups-tagging-api robomaker rolesanywhere route-53
    route-53-domains route53-recovery-cluster route53-recovery-control-config route53-recovery-readiness
    route53globalresolver route53profiles route53resolver rtbfabric rum s3 s3-control s3files s3outposts s3tables
    s3vectors sagemaker sagemaker-a2i-runtime sagemaker-edge sagemaker-featurestore-runtime sagemaker-geospatial
    sagemaker-metrics sagemaker-runtime sagemakerjobruntime savingsplans scheduler schemas secrets-manager
    security-ir securityagent securityhub securitylake serverlessapplicationrepository service-catalog
    service-catalog-appregistry service-quotas servicediscovery ses sesv2 sfn shield signer signer-data signin
    simpledb simpledbv2 snow-device-management snowball sns socialmessaging sqs ssm ssm-contacts ssm-guiconnect
    ssm-incidents ssm-quicksetup ssm-sap sso sso-admin sso-oidc storage-gateway sts supplychain support support-app
    supportauthz sustainability swf synthetics taxsettings textract timestream-influxdb timestream-query
    timestream-write tnb transcribe transcribe-streaming transfer translate trustedadvisor uxc verifiedpermissions
    voice-id vpc-lattice waf waf-regional wafv2 wellarchitected wickr wisdom workdocs worklink workmail
    workmailmessageflow workspaces workspaces-instances workspaces-thin-client workspaces-web xray
"""
_CLIENTS = frozenset(_CLIENTS_LISTED.split())
"""What follows `@aws-sdk/client-`: AWS's services, also those that are no more, by the `serviceId` of their models."""
_SDK_LISTED = """
    cloudfront-signer core crc64-nvme credential-provider-cognito-identity credential-provider-env
    credential-provider-http credential-provider-ini credential-provider-login credential-provider-node
    credential-provider-process credential-provider-sso credential-provider-web-identity credential-providers
    dsql-signer dynamodb-codec ec2-metadata-service endpoint-cache eventstream-handler-node lib-dynamodb lib-storage
    middleware-bucket-endpoint middleware-endpoint-discovery middleware-eventstream middleware-expect-continue
    middleware-flexible-checksums middleware-host-header middleware-location-constraint middleware-logger
    middleware-recursion-detection middleware-sdk-api-gateway middleware-sdk-ec2 middleware-sdk-glacier
    middleware-sdk-machinelearning middleware-sdk-rds middleware-sdk-route53 middleware-sdk-s3
    middleware-sdk-s3-control middleware-sdk-sqs middleware-sdk-transcribe-streaming middleware-signing
    middleware-ssec middleware-token middleware-user-agent middleware-websocket nested-clients
    polly-request-presigner protocol-http rds-signer region-config-resolver s3-presigned-post s3-request-presigner
    sha256-tree-hash shared-ini-file-loader signature-v4 signature-v4-crt signature-v4-multi-region signature-v4a
    smithy-client token-providers types util-arn-parser util-create-request util-dynamodb util-endpoints
    util-format-url util-locate-window util-retry util-user-agent-node util-utf8 xml-builder
"""
_SDK = frozenset(_SDK_LISTED.split())
_SMITHY_LISTED = """
    abort-controller chunked-blob-reader config-resolver core credential-provider-imds eventstream-codec
    eventstream-serde-config-resolver eventstream-serde-node eventstream-serde-universal fetch-http-handler
    hash-node hash-stream-node invalid-dependency is-array-buffer md5-js middleware-apply-body-checksum
    middleware-compression middleware-content-length middleware-endpoint middleware-retry middleware-serde
    middleware-stack node-config-provider node-http-handler property-provider protocol-http querystring-builder
    querystring-parser service-error-classification shared-ini-file-loader signature-v4 signature-v4a smithy-client
    types url-parser util-base64 util-body-length-node util-buffer-from util-config-provider util-defaults-mode-node
    util-endpoints util-hex-encoding util-middleware util-retry util-stream util-stream-node util-uri-escape
    util-utf8 util-waiter uuid
"""
_SMITHY = frozenset(_SMITHY_LISTED.split())


def has_module(name: str, version: str) -> Literal["yes", "no", "unknown"]:
    """Whether Node.js `version` (`20`) has a module of its own of that name, which is without `node:`."""
    major = int(version)
    if name in _ADDED:
        return "yes" if major >= _ADDED[name] else "no"
    if name in _BUILT_IN:
        return "yes"
    return "no" if major <= _FINISHED else "unknown"


def is_own_module(name: str) -> bool:
    """Whether Node.js has, or had, a module that can be asked for by this name, without `node:`."""
    return name in _BUILT_IN - {"test", "test/reporters"} or name == "inspector/promises"


def is_in_sdk(package: str) -> bool:
    """Whether Lambda's Node.js runtimes have that package of the SDK. There are newer ones, of which nobody knows.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html, "Runtime-included SDK versions".
    """
    scope, _, name = package.partition("/")
    if scope == "@smithy":
        return name in _SMITHY
    return name in _SDK or (name.startswith("client-") and name.removeprefix("client-") in _CLIENTS)
