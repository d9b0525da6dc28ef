// This file owns what a client's configuration makes of files and environment: credentials, trust, the endpoint. The SDK reads
// them; here it is told where to look, and its errors are told apart. It refuses to know requests.

package engine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
)

// resolve loads the SDK's configuration under the live environment, and decides the endpoint.
func (c *Client) resolve() (base aws.Config, endpointURL string, _ *Error) {
	cfg := &c.cfg
	if cfg.Transport != nil { // in-memory wire: nothing of the environment applies
		c.transport = cfg.Transport
		return aws.Config{Region: cfg.Region, Credentials: aws.AnonymousCredentials{}}, "http://memory.invalid", nil
	}
	base, err := load(cfg, true)
	if err != nil && cfg.Profile == nil && (cfg.Unsigned || cfg.Env["AWS_ACCESS_KEY_ID"] != "" && cfg.Env["AWS_SECRET_ACCESS_KEY"] != "") {
		// Credentials do not come from files here, so broken files are no reason to fail, as they are none for upstream.
		logf(levelWarn, targetProfile, "configuration files are left out: %v", err)
		base, err = load(cfg, false)
	}
	if err != nil {
		return base, "", newError(Invalid, "invalid AWS credentials: %s", configText(err))
	}
	logf(levelDebug, targetProfile, "configuration loaded from %d sources, profile %q", len(base.ConfigSources), aws.ToString(cfg.Profile))
	logf(levelDebug, targetCredentials, "credentials come from %T", base.Credentials)
	if base.Region == "" || cfg.Region != "" {
		base.Region = cfg.Region
	}
	c.transport = base.HTTPClient.(*awshttp.BuildableClient).GetTransport()
	if given := aws.ToString(cfg.Endpoint); given != "" {
		if !validEndpoint(given) {
			c.badURL = newError(Invalid, "Client error: Failed to construct request: Invalid S3 endpoint: endpoint could not be resolved: Custom endpoint `%s` was not a valid URI", withoutPassword(given))
			return base, "", nil
		}
		return base, given, nil
	}
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		if given, ok := cfg.Env[name]; ok && !validEndpoint(given) {
			return base, "", newError(Invalid, "invalid S3 endpoint: invalid URI: URI could not be parsed: %s is %q; it must be like https://host:port", name, withoutPassword(given))
		}
	}
	return base, "", nil // the SDK took those, or a profile's endpoint_url, or Amazon's
}

// load reads the SDK's configuration under the environment that Python handed over.
func load(cfg *Config, files bool) (base aws.Config, err error) {
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(newHTTPClient(cfg)),
		config.WithRegion(cfg.Region),
		config.WithLogger(sdkLogger{}),
	}
	if cfg.Unsigned {
		options = append(options, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	} else if cfg.Profile != nil {
		options = append(options, config.WithSharedConfigProfile(*cfg.Profile))
	}
	var hidden []string
	if files {
		// The SDK found out where these lie when the library was loaded, from HOME as it was then.
		options = append(options,
			config.WithSharedConfigFiles(cfg.sharedFile("AWS_CONFIG_FILE", "config")),
			config.WithSharedCredentialsFiles(cfg.sharedFile("AWS_SHARED_CREDENTIALS_FILE", "credentials")))
	} else {
		hidden = []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"}
		options = append(options, config.WithSharedConfigFiles([]string{os.DevNull}), config.WithSharedCredentialsFiles([]string{os.DevNull}))
	}
	err = withEnv(cfg.Env, hidden, func() (err error) {
		base, err = config.LoadDefaultConfig(context.Background(), options...)
		return err
	})
	return base, err
}

// sharedFile is where one of the two shared files lies; none where the environment does not tell.
func (c *Config) sharedFile(variable, name string) []string {
	if file := c.Env[variable]; file != "" {
		return []string{file}
	}
	if home := c.Env["HOME"]; home != "" {
		return []string{filepath.Join(home, ".aws", name)}
	}
	if c.Env == nil { // the process's own serves
		return nil
	}
	return []string{} // nil would be the files that the SDK found by itself
}

// withoutPassword is an endpoint as it may be shown, also where it is no URL.
func withoutPassword(endpoint string) string {
	at := strings.LastIndex(endpoint, "@")
	if at < 0 {
		return endpoint
	}
	if scheme, _, ok := strings.Cut(endpoint[:at], "://"); ok && !strings.Contains(scheme, ":") {
		return scheme + "://…" + endpoint[at:]
	}
	return "…" + endpoint[at:]
}

func validEndpoint(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func configText(err error) string {
	var missing config.SharedConfigProfileNotExistError
	if errors.As(err, &missing) {
		return fmt.Sprintf("profile %q was not found in the AWS config and credentials files (AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, else ~/.aws)", missing.Profile)
	}
	return err.Error()
}
