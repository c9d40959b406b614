#!/usr/bin/perl

# The portal in Chromium: the guide's journey by its labels, with scripts and
# without, and every page looked at by axe.  The programs are t/browser/*.mjs.

use strict;
use warnings;
use utf8;

use JSON::PP ();

use lib 't/lib';
use Portal::Sample;
use Portal::Test;

chdir top() . '/t/browser' or die;

# npm ci, unless what is there is what the lock asks for
system(q{
    cmp -s package-lock.json node_modules/.lock || {
        npm ci --silent --no-audit --no-fund >/dev/null &&
        cp package-lock.json node_modules/.lock
    }
}) == 0 or die "npm ci failed\n";

my $portal = portal();
my $json = JSON::PP->new->canonical;
my $questions = JSON::PP->new->utf8->decode(scalar $portal->psql(
    q{select captcha_questions from portal.town where slug = 'saint-aubin'}));

for my $program (['journey.mjs', 'scripts'], ['journey.mjs', 'plain'],
    ['session.mjs'], ['pages.mjs'], ['children.mjs'], ['files.mjs'], ['sealed.mjs'],
    ['file.mjs', 'scripts'], ['file.mjs', 'plain'], ['sections.mjs'],
    ['verification.mjs', 'scripts'], ['verification.mjs', 'plain'],
    ['phone.mjs', 'scripts'], ['phone.mjs', 'plain'],
    ['english.mjs'], ['agents.mjs'], ['counter.mjs', 'scripts'], ['counter.mjs', 'plain'], ['imports.mjs'], ['letters.mjs'], ['settings.mjs'], ['policy.mjs'],
    ['mails.mjs'])
{
    my $name = join ' ', @$program;
    # there are few of them
    my $code = $program->[0] =~ /^(?:journey|pages|english)/
        ? free_code(town => 'saint-aubin') : {};

    want_to_be_more() if $program->[0] eq 'policy.mjs';

    # a code is good once, and the next program does not wait for another
    $portal->psql('set session_replication_role = replica;
        update portal.agent set totp_step = 0');

    local $ENV{PORTAL_BROWSER} = $json->ascii->encode({
        url => $portal->url, agents_url => $portal->agents_url, agent => agent(), chief => agent('administrator'), administrator => agent('administrator'),
        sample => Portal::Sample->write($portal->dir . '/import.zip', families => 30), mail_dir => $portal->mail_dir,
        code => $code->{code}, name => $code->{guardian},
        questions => $questions, psql => [$portal->pg->psql_args],
        account => account($program->[0] eq 'file.mjs' ? qr/separated/ : qr/couple/),
        lone => account(qr/unlinked/),
        $program->[0] eq 'phone.mjs' ? (immediate => immediate($program->[1] eq 'scripts' ? 2 : 1)) : (),
        mails => $program->[0] eq 'mails.mjs' ? long_mails() : undef,
        tool => [top() . '/build/portal-tool', '-k', $portal->keys, 'batch'],
        redis => ['-s', $portal->redis_socket, '-a',
            $portal->{redis_password}, '--no-auth-warning'],
    });

    open my $in, '-|', 'node', @$program or die "node: $!\n";
    binmode $in, ':encoding(UTF-8)';
    my $plan;
    while (my $line = <$in>) {
        chomp $line;
        if ($line =~ /^(not )?ok \d+ - (.*)/) { ok !$1, "$name: $2" }
        elsif ($line =~ /^1\.\.(\d+)/)        { $plan = $1 }
        else                                 { diag $line }
    }
    close $in;
    ok defined $plan, "$name ran to its end";
}

# the town where a subscription is effective at once
sub immediate {
    my ($codes) = @_;

    my ($account) = grep { $_->{town} eq 'beaulieu' && $_->{situation} eq 'unlinked' }
        @{ $portal->demo->{accounts} };

    return { %$account, url => $portal->url('beaulieu'),
        codes => [map { free_code(town => 'beaulieu')->{code} } 1 .. $codes] };
}

# one mail of each subject, whatever its number, its link as wide as one can be
sub long_mails {
    my %of = map { $_->{subject} =~ s/\d[\d-]*/N/gr => $_->{html} } grep { $_->{html} }
        Portal::Mail->all($portal->mail_dir);

    cmp_ok scalar(keys %of), '>', 5, 'mails were sent';

    return [map { { subject => $_,
        html => $of{$_} =~ s/jeton=[\w-]{43}/'jeton=' . 'W' x 43/ger } } sort keys %of];
}

# names that would like to be markup, past every check that input has
sub want_to_be_more {
    my $n = 0;

    for my $vector ('"><svg onload=xss()>', '</title><script>xss()</script>',
        '<img src=x onerror=xss()>', "' autofocus onfocus=xss() x='",
        '<a href="javascript:xss()">', '</textarea><script>xss()</script>')
    {
        my $text = "'" . $vector =~ s/'/''/gr . "'";
        my ($table, $column) = (['child', 'first_name'], ['child', 'last_name'],
            ['guardian', 'profession'], ['contact', 'first_name'],
            ['address', 'complement'], ['guardian', 'first_name'])[$n++]->@*;
        $portal->psql("update portal.$table set $column = $text
            where tenant = 1");
    }
}

done_testing;
